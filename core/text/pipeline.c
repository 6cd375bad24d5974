/* tokenizer.json as huggingface/tokenizers reads and runs it (tokenizers/src/tokenizer): added tokens are cut out of the text as
 * it was written, the rest is normalised, further added tokens are cut out, the rest is split, and the model sees each part.
 * "truncation" and "padding" are left to the caller, who tells people instead of cutting. */
#include "text/pipeline.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "text/normalizer.h"
#include "text/pre-tokenizer.h"

void
pm_pipeline_free (PmPipeline *pipeline)
{
  if (! pipeline)
    return;
  if (pipeline->model)
    pipeline->kind->free (pipeline->model);
  pm_vocabulary_free (pipeline->vocabulary);
  pm_added_tokens_free (pipeline->added);
  g_ptr_array_unref (pipeline->normalizers);
  g_ptr_array_unref (pipeline->pre_tokenizers);
  g_array_unref (pipeline->before);
  g_array_unref (pipeline->after);
  g_free (pipeline);
}

static gboolean
read_model (PmPipeline *pipeline, JsonNode *node, const char *path, GError **error)
{
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *type = object ? pm_json_read_string (json_object_get_member (object, "type")) : NULL;

  for (int i = 0; type && pm_tokenizers[i]; i++)
    if (g_strcmp0 (pm_tokenizers[i]->json_type, type) == 0)
      pipeline->kind = pm_tokenizers[i];
  if (! object)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s has no vocabulary. Download the tokenizer again."), path);
  else if (! pipeline->kind)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s is a tokenizer of the kind \"%s\", which is not known here. Known is \"Unigram\", as T5 has it."), path,
                 type ? type : "?");
  if (! pipeline->kind || ! pipeline->kind->read_json (object, pipeline->vocabulary, path, error))
    return FALSE;
  pipeline->model = pipeline->kind->load (pipeline->vocabulary, FALSE, path, error);
  return pipeline->model != NULL;
}

static int
find_added (PmPipeline *pipeline, const char *content)
{
  for (guint i = 0; i < pm_added_tokens_get_n (pipeline->added); i++)
    {
      const PmAddedToken *token = pm_added_tokens_get (pipeline->added, i);

      if (token->id >= 0 && strcmp (token->content, content) == 0)
        return token->id;
    }
  return -1;
}

/* An added token has the id that the model knows it by, else the next free one; what the file says is not asked, as there. */
static void
give_ids (PmPipeline *pipeline)
{
  g_autoptr (GHashTable) given = g_hash_table_new (g_str_hash, g_str_equal);

  pipeline->n_ids = (int) pipeline->vocabulary->pieces->len;
  for (guint i = 0; i < pm_added_tokens_get_n (pipeline->added); i++)
    {
      PmAddedToken *token = pm_added_tokens_get (pipeline->added, i);
      gpointer      id;

      if (! *token->content)
        continue;
      if (g_hash_table_lookup_extended (given, token->content, NULL, &id))
        token->id = GPOINTER_TO_INT (id);
      else
        token->id = pipeline->kind->find (pipeline->model, token->content, strlen (token->content));
      if (token->id < 0)
        token->id = pipeline->n_ids++;
      g_hash_table_insert (given, token->content, GINT_TO_POINTER (token->id));
    }
}

/* The ids that a template's special token stands for, appended to list. */
static gboolean
read_special (PmPipeline *pipeline, JsonObject *specials, const char *name, GArray *list)
{
  JsonNode   *node = name && specials ? json_object_get_member (specials, name) : NULL;
  JsonObject *special = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode   *ids = special ? json_object_get_member (special, "ids") : NULL;
  JsonArray  *array = ids && JSON_NODE_HOLDS_ARRAY (ids) ? json_node_get_array (ids) : NULL;

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      gsize id;
      int   number;

      if (! pm_json_read_size (json_array_get_element (array, i), &id) || id >= (gsize) pipeline->n_ids)
        return FALSE;
      number = (int) id;
      g_array_append_val (list, number);
    }
  return array != NULL;
}

static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* post_processor.single: special tokens around the text "A", which must be there once. */
static gboolean
read_template (PmPipeline *pipeline, JsonObject *object)
{
  JsonNode  *single = json_object_get_member (object, "single");
  JsonArray *array = single && JSON_NODE_HOLDS_ARRAY (single) ? json_node_get_array (single) : NULL;
  GArray    *list = pipeline->before;
  guint      n_texts = 0;

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode   *node = json_array_get_element (array, i);
      JsonObject *item = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      JsonObject *text = get_object (item, "Sequence"), *special = get_object (item, "SpecialToken");

      if (text)
        {
          n_texts++;
          list = pipeline->after;
        }
      else if (! special
               || ! read_special (pipeline, get_object (object, "special_tokens"),
                                  pm_json_read_string (json_object_get_member (special, "id")), list))
        return FALSE;
    }
  return n_texts == 1;
}

static gboolean
read_post_processor (PmPipeline *pipeline, JsonNode *node, const char *path, GError **error)
{
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *type = object ? pm_json_read_string (json_object_get_member (object, "type")) : NULL;

  if (! node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (type && strcmp (type, "TemplateProcessing") != 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("%s ends texts by \"%s\", which is not known here. Use the spiece.model of the same tokenizer."), path,
                   type);
      return FALSE;
    }
  if (! type || ! read_template (pipeline, object))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("What %s puts around texts is damaged: a token is not in the vocabulary, or there is no place for the text. "
                     "Download the tokenizer again."),
                   path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_all (PmPipeline *pipeline, JsonObject *object, const char *path, GError **error)
{
  pipeline->added = pm_added_tokens_read (json_object_get_member (object, "added_tokens"), path, error);
  if (! pipeline->added || ! read_model (pipeline, json_object_get_member (object, "model"), path, error)
      || ! pm_normalizers_read (json_object_get_member (object, "normalizer"), pipeline->normalizers, path, error)
      || ! pm_pre_tokenizers_read (json_object_get_member (object, "pre_tokenizer"), pipeline->pre_tokenizers, path, error))
    return FALSE;
  give_ids (pipeline);
  if (! pm_added_tokens_finish (pipeline->added, pipeline->normalizers, error)
      || ! read_post_processor (pipeline, json_object_get_member (object, "post_processor"), path, error))
    return FALSE;
  pipeline->pad = find_added (pipeline, "<pad>");
  pipeline->end = pipeline->after->len > 0 ? g_array_index (pipeline->after, int, pipeline->after->len - 1) : -1;
  return TRUE;
}

PmPipeline *
pm_pipeline_new (JsonNode *root, const char *path, GError **error)
{
  g_autoptr (PmPipeline) pipeline = g_new0 (PmPipeline, 1);

  pipeline->vocabulary = pm_vocabulary_new ();
  pipeline->normalizers = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_normalizer_free);
  pipeline->pre_tokenizers = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_pre_tokenizer_free);
  pipeline->before = g_array_new (FALSE, FALSE, sizeof (int));
  pipeline->after = g_array_new (FALSE, FALSE, sizeof (int));
  if (! JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s is no tokenizer, but a list. Download the tokenizer again."), path);
      return NULL;
    }
  return read_all (pipeline, json_node_get_object (root), path, error) ? g_steal_pointer (&pipeline) : NULL;
}

PmSplits *
pm_pipeline_split (const PmPipeline *pipeline, const PmAligned *text, GError **error)
{
  g_autoptr (PmSplits) raw = pm_splits_new ();
  PmSplits *splits = pm_splits_new ();

  pm_added_tokens_split (pipeline->added, FALSE, text, 0, text->n, raw);
  for (guint i = 0; i < raw->parts->len; i++)
    {
      const PmSplit *part = &g_array_index (raw->parts, PmSplit, i);
      const gsize    from = splits->text.n;
      PmAligned      normalized = { 0 };
      gboolean       is_done = TRUE;

      if (part->id >= 0)
        {
          pm_aligned_copy (&splits->text, &raw->text, part->first, part->n);
          pm_splits_close_token (splits, from, part->id, part->is_special);
          continue;
        }
      is_done = pm_normalizers_apply (pipeline->normalizers, &raw->text, part->first, part->n, &normalized, error);
      if (is_done)
        pm_added_tokens_split (pipeline->added, TRUE, &normalized, 0, normalized.n, splits);
      splits->text.is_full = splits->text.is_full || normalized.is_full || raw->text.is_full;
      pm_aligned_clear (&normalized);
      if (! is_done)
        {
          pm_splits_free (splits);
          return NULL;
        }
    }
  for (guint i = 0; i < pipeline->pre_tokenizers->len && ! splits->text.is_full; i++) /* full: cut within a character */
    {
      g_autoptr (PmSplits) before = splits;

      splits = pm_pre_tokenizer_apply (g_ptr_array_index (pipeline->pre_tokenizers, i), before);
    }
  return splits;
}

const char *
pm_pipeline_get_added (const PmPipeline *pipeline, int id)
{
  for (guint i = 0; i < pm_added_tokens_get_n (pipeline->added); i++)
    if (pm_added_tokens_get (pipeline->added, i)->id == id)
      return pm_added_tokens_get (pipeline->added, i)->content;
  return NULL;
}
