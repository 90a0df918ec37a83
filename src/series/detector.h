/*
 * detector.h
 *		What tells how unusual a point of several numbers is, by the points before it.
 */
#ifndef CQ_SERIES_DETECTOR_H
#define CQ_SERIES_DETECTOR_H

#define CQ_DETECTOR_MAX_SIZE 32 /* numbers of a point */

typedef struct CqDetector CqDetector;

typedef struct CqDetectorRoutine
{
	/* How unusual the point is, the more the higher; NaN: not known yet. */
	double		(*score) (CqDetector *detector, const double *point);
	/* Takes a point in. */
	void		(*learn) (CqDetector *detector, const double *point, double score);
	/* The score that no more than 1 - level of usual points exceed. */
	double		(*bound) (const CqDetector *detector, double level);
} CqDetectorRoutine;

struct CqDetector
{
	const CqDetectorRoutine *routine;
	int			size;			/* numbers of a point */
	int			window;			/* points that are looked back at */
};

extern CqDetector *cq_distance_make(int size, int window);
extern CqDetector *cq_half_space_make(int size, int window);

#endif
