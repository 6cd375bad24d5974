/* Private to core/attention: the life of an axis; parsing and resolving are in show.h. */
#ifndef PM_AXIS_H
#define PM_AXIS_H

#include "attention/show.h"

void  pm_axis_init (PmAxis *axis); /* chooses nothing */
void  pm_axis_clear (PmAxis *axis);
void  pm_axis_copy (const PmAxis *from, PmAxis *to);
char *pm_axis_to_string (const PmAxis *axis);

#endif
