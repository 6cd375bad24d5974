/* What a run is told in words: embeddings of a text for each half of a guided batch. */
#include "base/error.h"
#include "base/i18n.h"
#include "run.h"

gboolean
pm_run_read_text (PmRun *run, const PmGiven *given, GError **error)
{
  static const PmItemTag tags[] = { PM_ITEM_CONDITION, PM_ITEM_NULL };
  int                    n_needed = run->request->guidance != 1 ? 2 : 1;

  run->shape.max_text = 0;
  if (run->model->network_info.text_width == 0)
    return TRUE;
  for (int i = 0; i < n_needed; i++)
    {
      if (i == 1 && given && ! given->text[1] && run->model->network_info.has_null_text)
        {
          run->told[i] = (PmTold) { .tag = tags[i], .n = MIN (given->text_length[0], run->model->network_info.max_text) };
          continue;
        }
      if (! given || ! given->text[i] || given->text_length[i] < 1)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                       _("The model “%s” paints what a text says, and nothing here reads a text for it; give its embedding."),
                       run->model->name);
          return FALSE;
        }
      run->told[i] = (PmTold) { .tag = tags[i], .n = given->text_length[i], .embedding = given->text[i] };
      run->shape.max_text = MAX (run->shape.max_text, given->text_length[i]);
    }
  return TRUE;
}
