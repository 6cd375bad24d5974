/* What a run is told in words: embeddings of a text for each half of a guided batch, given or made of the request's prompts. */
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "run/run.h"
#include "text/cache.h"

/* Where the embedding of a half is kept on disk; NULL while the encoder's files are not summed. Free with g_free. */
static char *
find_kept (const PmRun *run, int i)
{
  g_autofree char *identity = pm_text_encoder_identity (run->model->encoder);
  return identity ? pm_text_cache_path (identity, run->prompts[i]->ids, run->prompts[i]->n_tokens) : NULL;
}

/* Guides away from what the network stores for no text, where it does: as many of its tokens as the text has (PixArt-alpha's own
 * program masks both halves alike). FALSE where it stores none. */
static gboolean
tell_nothing (PmRun *run)
{
  const PmNetworkInfo *info = &run->model->network_info;

  if (! info->has_null_text)
    return FALSE;
  run->told[1] = (PmTold) { .tag = PM_ITEM_NULL, .n = MIN (run->told[0].n, info->max_text) };
  return TRUE;
}

static gboolean
take_given (PmRun *run, const PmGiven *given, int n_halves, GError **error)
{
  static const PmItemTag tags[] = { PM_ITEM_CONDITION, PM_ITEM_NULL };

  for (int i = 0; i < n_halves; i++)
    {
      if (i == 1 && ! given->text[1] && tell_nothing (run))
        continue;
      if (! given->text[i] || given->text_length[i] < 1)
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("A guided run needs two embeddings of one token at least, what to paint and what to guide away from; "
                         "give both, or set the guidance to 1."));
          return FALSE;
        }
      run->told[i] = (PmTold) { .tag = tags[i], .n = given->text_length[i], .embedding = given->text[i] };
    }
  return TRUE;
}

static gboolean
check_length (PmRun *run, const PmPrompt *prompt, gboolean is_negative, GError **error)
{
  if (! prompt->is_too_long)
    return TRUE;
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               is_negative ? _("The negative prompt has %d tokens, but the model “%s” reads %d at most; shorten it.")
                           : _("The prompt has %d tokens, but the model “%s” reads %d at most; shorten it."),
               prompt->n_tokens, run->model->name, prompt->max_tokens);
  return FALSE;
}

static gboolean
read_prompts (PmRun *run, int n_halves, GError **error)
{
  const PmRequest *request = run->request;
  gboolean         has_negative = request->negative_prompt && *request->negative_prompt;
  const char      *texts[] = { request->prompt, request->negative_prompt };
  const PmItemTag  tags[] = { PM_ITEM_CONDITION, has_negative ? PM_ITEM_NEGATIVE : PM_ITEM_NULL };

  if (! pm_model_check_prompts (run->model, TRUE, error))
    return FALSE;
  for (int i = 0; i < n_halves; i++)
    {
      if (i == 1 && ! has_negative && tell_nothing (run))
        continue;
      run->prompts[i] = pm_model_read_prompt (run->model, texts[i], error);
      if (! run->prompts[i] || ! check_length (run, run->prompts[i], i == 1, error))
        return FALSE;
      run->told[i] = (PmTold) { .tag = tags[i], .n = run->prompts[i]->n_tokens };
    }
  return TRUE;
}

gboolean
pm_run_read_text (PmRun *run, const PmGiven *given, GError **error)
{
  int n_halves = run->request->guidance != 1 ? 2 : 1;

  run->shape.max_text = 0;
  if (run->model->network_info.text_width == 0)
    return TRUE;
  if (given && given->text[0] ? ! take_given (run, given, n_halves, error) : ! read_prompts (run, n_halves, error))
    return FALSE;
  for (int i = 0; i < n_halves; i++)
    run->shape.max_text = MAX (run->shape.max_text, run->told[i].n);
  return TRUE;
}

PmTextCost
pm_run_measure_text (const PmRun *run, PmDtype acts)
{
  PmTextCost cost = { 0 };

  for (int i = 0; i < 2; i++)
    if (run->prompts[i])
      {
        g_autofree char *kept = find_kept (run, i);
        if (run->embeddings[i] || (kept && g_file_test (kept, G_FILE_TEST_EXISTS)))
          continue;
        PmTextCost own = pm_text_encoder_measure (run->model->encoder, run->prompts[i]->n_tokens, acts);
        cost.flops += own.flops;
        cost.work_bytes = MAX (cost.work_bytes, own.work_bytes);
        cost.n_elements = MAX (cost.n_elements, own.n_elements);
      }
  return cost;
}

static gboolean
encode (PmRun *run, int i, PmBackend *backend, PmJob *job, GError **error)
{
  PmTextEncoder   *encoder = run->model->encoder;
  const PmPrompt  *prompt = run->prompts[i];
  int              width = pm_text_encoder_get_info (encoder)->width;
  g_autofree char *kept = find_kept (run, i);

  run->embeddings[i] = g_try_new (float, (gsize) prompt->n_tokens * width);
  if (! run->embeddings[i])
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                           _("There is not enough memory to read the prompt; close other programs and try again."));
      return FALSE;
    }
  if (! kept || ! pm_text_cache_load (kept, prompt->n_tokens, width, run->embeddings[i]))
    {
      if (! pm_text_encoder_run (encoder, backend, prompt->ids, prompt->n_tokens, run->embeddings[i], job, error))
        return FALSE;
      run->is_encoded[i] = TRUE;
    }
  run->told[i].embedding = run->embeddings[i];
  return TRUE;
}

gboolean
pm_run_encode_text (PmRun *run, PmBackend *backend, double share, PmJob *job, GError **error)
{
  for (int i = 0; i < 2; i++)
    {
      pm_job_set_range (job, share / 2 * i, share / 2 * (i + 1));
      if (run->prompts[i] && ! run->embeddings[i] && ! encode (run, i, backend, job, error))
        return FALSE;
    }
  return TRUE;
}

void
pm_run_keep_text (PmRun *run)
{
  for (int i = 0; i < 2; i++)
    if (run->is_encoded[i])
      {
        g_autofree char *kept = find_kept (run, i);
        if (kept)
          pm_text_cache_store (kept, run->prompts[i]->n_tokens, pm_text_encoder_get_info (run->model->encoder)->width,
                               run->embeddings[i]);
      }
}

void
pm_run_clear_text (PmRun *run)
{
  for (int i = 0; i < 2; i++)
    {
      g_clear_pointer (&run->prompts[i], pm_prompt_free);
      g_clear_pointer (&run->embeddings[i], g_free);
    }
}
