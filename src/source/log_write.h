/*
 * log_write.h
 *		Writing to a log: the second half of cq_log_source.
 */
#ifndef CQ_LOG_WRITE_H
#define CQ_LOG_WRITE_H

#include "source/source.h"

extern CqSink *cq_log_write_open(const CqSourceConfig *config);
extern void cq_log_write_append(CqSink *base, CqOutgoing *rows, int nrows);
extern void cq_log_write_close(CqSink *base);

#endif							/* CQ_LOG_WRITE_H */
