/*
 * csv_style.h
 *		How messages in CSV are written, as the options of COPY say it.
 */
#ifndef CQ_CSV_STYLE_H
#define CQ_CSV_STYLE_H

typedef enum CqCsvHeader
{
	CQ_CSV_NO_HEADER,
	CQ_CSV_HEADER,				/* a line with names stands before the row, and is passed over */
	CQ_CSV_MATCH				/* its names are those of the columns */
} CqCsvHeader;

typedef struct CqCsvStyle
{
	char		delimiter;
	char		quote;
	char		escape;			/* within quotes, before a quote or itself */
	const char *null;			/* what null is without quotes */
	CqCsvHeader header;
} CqCsvStyle;

#endif							/* CQ_CSV_STYLE_H */
