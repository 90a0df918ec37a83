/*
 * settings.h
 *		Settings of the session that say what values mean: kept, set again, and compared.
 */
#ifndef CQ_SETTINGS_H
#define CQ_SETTINGS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A set of the settings that are kept with a view: bits in the order of the list in settings.c. */
typedef uint32 CqSettingSet;

#define CQ_SETTING_TIMEZONE			((CqSettingSet) 1 << 0)
#define CQ_SETTING_DATESTYLE		((CqSettingSet) 1 << 1)
#define CQ_SETTING_ABBREVIATIONS	((CqSettingSet) 1 << 2)
#define CQ_SETTING_INTERVALSTYLE	((CqSettingSet) 1 << 3)
#define CQ_SETTING_XMLOPTION		((CqSettingSet) 1 << 4)
#define CQ_SETTING_LC_MONETARY		((CqSettingSet) 1 << 5)
#define CQ_SETTING_ARRAY_NULLS		((CqSettingSet) 1 << 6)
#define CQ_SETTING_SEARCH_PATH		((CqSettingSet) 1 << 7)
#define CQ_SETTINGS_ALL				((CqSettingSet) 0xffffffff)

/* The settings as they are now: of char *, name=value. Palloc'd. */
extern List *cq_settings_current(void);

/* The one copy that is kept of such a list, for good: equal lists are the same. */
extern const List *cq_settings_intern(const List *settings);

/* The list without those settings, which may be in which. Palloc'd. */
extern List *cq_settings_without(const List *settings, CqSettingSet which);

/*
 * Sets those of which that a list has, until the caller's level of settings ends (NewGUCNestLevel,
 * AtEOXact_GUC). Others stay as they are.
 */
extern void cq_settings_apply(const List *settings, CqSettingSet which);

/* Do two lists agree in which? NIL, and what a list does not have: as in the session. */
extern bool cq_settings_agree(const List *one, const List *other, CqSettingSet which);

/*
 * Settings under which the text of any value reads back to the same value, whoever reads it. The
 * level is for end, which an error makes unnecessary.
 */
extern int	cq_settings_begin_transmission(void);
extern void cq_settings_end(int level);

#endif							/* CQ_SETTINGS_H */
