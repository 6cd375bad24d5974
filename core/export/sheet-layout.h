/* Private to core/export: which map stands where on a sheet, before anything is measured. */
#ifndef PM_SHEET_LAYOUT_H
#define PM_SHEET_LAYOUT_H

#include "attention/map.h"
#include "export/sheet.h"

/* Maps of one reading, and of one number along the axis that is neither rows nor columns. */
typedef struct
{
  char         *title;
  const PmMap **cells;         /* [n_rows, n_columns]; NULL where there is none */
  char        **row_titles;    /* [n_rows]; NULL when every cell has its own title */
  char        **column_titles; /* [n_columns], or [n_rows, n_columns] */
  int           n_rows, n_columns;
} PmSheetPanel;

/* A panel of more columns than this in a single row is broken into several rows. */
#define PM_SHEET_COLUMNS 8

/* Of PmSheetPanel, which free themselves, in the maps' order. names_steps: put times beside rows and above columns. */
GPtrArray *pm_sheet_layout_new (GPtrArray *maps, PmSheetBy by, gboolean names_steps);

#endif
