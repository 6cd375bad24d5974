/* The registry of the plug-in's procedures: one file each, one constant descriptor `pm_procedure_<file>`. */
#ifndef PM_PROCEDURES_H
#define PM_PROCEDURES_H

#include <libgimp/gimp.h>

typedef struct
{
  const char *name; /* "plug-in-pentimento-generate" */

  GimpProcedure *(*create) (GimpPlugIn *plug_in, const char *name);
} PmProcedure;

extern const PmProcedure pm_procedure_generate;
extern const PmProcedure pm_procedure_run_again;
extern const PmProcedure pm_procedure_reapply;
extern const PmProcedure pm_procedure_bake;
extern const PmProcedure pm_procedure_export_maps;
extern const PmProcedure pm_procedure_who_named;

/* To be called first by every run. */
void pm_procedure_begin (GimpProcedure *procedure);

#define PM_MENU_FILTERS "<Image>/Filters/Pentimento"

#endif
