/* The registry of readings by id; the table itself is written by core/meson.build. */
#include "attention/reduction.h"

#include <string.h>

#include "attention/show.h"
#include "base/i18n.h"

const PmReduction *
pm_reduction_find (const char *id)
{
  for (int i = 0; id && pm_reductions[i]; i++)
    if (strcmp (pm_reductions[i]->id, id) == 0)
      return pm_reductions[i];

  return NULL;
}

const char *const *
pm_reading_ids (void)
{
  static gsize ids = 0; /* filled once, then constant */

  if (g_once_init_enter (&ids))
    {
      GPtrArray *list = g_ptr_array_new ();

      for (int i = 0; pm_reductions[i]; i++)
        g_ptr_array_add (list, (gpointer) pm_reductions[i]->id);
      g_ptr_array_add (list, NULL);

      g_once_init_leave (&ids, (gsize) g_ptr_array_free (list, FALSE));
    }

  return (const char *const *) ids;
}

const char *
pm_reading_title (const char *id)
{
  const PmReduction *reduction = pm_reduction_find (id);

  return reduction ? _(reduction->title) : NULL;
}

gboolean
pm_reading_needs_region (const char *id)
{
  const PmReduction *reduction = pm_reduction_find (id);

  return reduction && reduction->needs_region;
}

gboolean
pm_reading_needs_prompt (const char *id)
{
  const PmReduction *reduction = pm_reduction_find (id);

  return reduction && reduction->kind == PM_SITE_CROSS;
}

gboolean
pm_reading_needs_words (const char *id)
{
  const PmReduction *reduction = pm_reduction_find (id);

  return reduction && reduction->needs_words;
}
