/*
 * json_settings.h
 *		Which settings of the session have a say in what a value of a message becomes.
 */
#ifndef CQ_JSON_SETTINGS_H
#define CQ_JSON_SETTINGS_H

#include "postgres.h"

#include "common/settings.h"
#include "format/format.h"

extern CqSettingSet cq_json_settings(const CqColumn *column);

#endif							/* CQ_JSON_SETTINGS_H */
