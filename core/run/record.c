/* See record.h. */
#include "run/record.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "base/i18n.h"
#include "base/pool.h"
#include "base/version.h"
#include "format/json.h"

static void
add_string (JsonBuilder *builder, const char *member, const char *value)
{
  json_builder_set_member_name (builder, member);
  json_builder_add_string_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *member, gint64 value)
{
  json_builder_set_member_name (builder, member);
  json_builder_add_int_value (builder, value);
}

/* "model.safetensors": "its sha256"; nothing where there is no sum. */
static void
add_file (JsonBuilder *builder, const char *path, const char *sum)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *shown = g_filename_display_name (name);

  if (sum)
    add_string (builder, shown, sum);
}

static void
add_files (JsonBuilder *builder, PmCheckpoint *checkpoint, PmIdentity *identity)
{
  json_builder_set_member_name (builder, "files");
  json_builder_begin_object (builder);
  for (guint i = 0; identity && i < pm_checkpoint_get_n_files (checkpoint); i++)
    add_file (builder, pm_checkpoint_get_file (checkpoint, i), pm_identity_get (identity, i));
  json_builder_end_object (builder);
}

/* NAME: {"bytes": ..., "files": ...}, a part of the model that has a checkpoint of its own. */
static void
add_part (JsonBuilder *builder, const char *name, guint64 n_bytes, PmCheckpoint *checkpoint, PmIdentity *identity)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  add_int (builder, "bytes", (gint64) n_bytes);
  add_files (builder, checkpoint, identity);
  json_builder_end_object (builder);
}

static void
add_tokenizer (JsonBuilder *builder, const PmTokenizer *tokenizer)
{
  json_builder_set_member_name (builder, "tokenizer");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "files");
  json_builder_begin_object (builder);
  add_file (builder, pm_tokenizer_get_file (tokenizer), pm_tokenizer_get_sum (tokenizer));
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

static void
add_model (JsonBuilder *builder, PmModel *model, const PmRecordSums *sums)
{
  json_builder_set_member_name (builder, "model");
  json_builder_begin_object (builder);
  add_string (builder, "name", model->info.name);
  add_string (builder, "family", model->info.family);
  add_int (builder, "parameters", (gint64) model->info.n_parameters);
  add_int (builder, "bytes", (gint64) model->info.n_bytes);
  add_files (builder, model->checkpoint, sums->model);
  if (model->vae)
    add_part (builder, "vae", pm_vae_get_info (model->vae)->n_bytes, pm_vae_get_checkpoint (model->vae), sums->vae);
  if (model->encoder)
    add_part (builder, "text-encoder", pm_text_encoder_get_info (model->encoder)->n_bytes,
              pm_text_encoder_get_checkpoint (model->encoder), sums->text_encoder);
  if (model->tokenizer)
    add_tokenizer (builder, model->tokenizer);
  json_builder_end_object (builder);
}

/* The request, its model named so that it is found from any folder, and its class so that it is in any language. */
static char *
request_json (const PmRun *run)
{
  PmRequest        request = *run->request;
  g_autofree char *path = NULL;
  g_autofree char *class_name = NULL;

  if (run->class_index >= 0)
    request.class_name = class_name = pm_model_portable_class (run->model, request.class_name, run->class_index);
  if (request.model && g_file_test (request.model, G_FILE_TEST_EXISTS))
    request.model = path = g_canonicalize_filename (request.model, NULL);
  return pm_request_to_json (&request);
}

/* The member "files" of the record's model, or of a part of it; NULL where there is none. Borrowed. */
static JsonObject *
recorded_files (JsonNode *root, const char *part)
{
  const char *const path[] = { "model", part ? part : "files", part ? "files" : NULL };
  JsonNode         *node = root;

  for (gsize i = 0; i < G_N_ELEMENTS (path) && path[i] && node; i++)
    node = JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), path[i]) : NULL;
  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* Whether a file that is summed now is a recorded one: that of its name, or under another name the same bytes. */
static gboolean
is_recorded (JsonObject *recorded, const char *name, const char *now)
{
  g_autoptr (GList) all = json_object_get_values (recorded);

  if (json_object_has_member (recorded, name))
    return g_strcmp0 (pm_json_read_string (json_object_get_member (recorded, name)), now) == 0;
  for (GList *then = all; then; then = then->next)
    if (g_strcmp0 (pm_json_read_string (then->data), now) == 0)
      return TRUE;
  return FALSE;
}

/* The sentence for a file that is not a recorded one; NULL when it is, or either sum is not known. */
static char *
compare_file (PmModel *model, JsonObject *recorded, const char *path, const char *now)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *shown = g_filename_display_name (name);

  if (! now || ! recorded || json_object_get_size (recorded) == 0 || is_recorded (recorded, shown, now))
    return NULL;
  return g_strdup_printf (_("The file “%s” of the model “%s” is not the one that the recorded picture was painted with; "
                            "the new picture may differ."),
                          shown, model->name);
}

/* The first such sentence for the files of the checkpoint. */
static char *
compare_files (PmModel *model, JsonObject *recorded, PmCheckpoint *checkpoint, PmJob *job)
{
  g_autoptr (PmIdentity) identity = recorded ? pm_identity_start (checkpoint) : NULL;
  char                  *difference = NULL;

  if (! identity || ! pm_identity_finish (identity, job, NULL))
    return NULL;
  for (guint i = 0; ! difference && i < pm_checkpoint_get_n_files (checkpoint); i++)
    difference = compare_file (model, recorded, pm_checkpoint_get_file (checkpoint, i), pm_identity_get (identity, i));
  return difference;
}

char *
pm_record_compare_model (const char *record, PmModel *model, PmJob *job)
{
  g_autoptr (JsonNode) root = pm_json_parse (record, strlen (record), _("the record"), NULL);
  char                *difference = NULL;

  if (! root)
    return NULL;
  difference = compare_files (model, recorded_files (root, NULL), model->checkpoint, job);
  if (! difference && model->vae)
    difference = compare_files (model, recorded_files (root, "vae"), pm_vae_get_checkpoint (model->vae), job);
  if (! difference && model->encoder)
    difference = compare_files (model, recorded_files (root, "text-encoder"), pm_text_encoder_get_checkpoint (model->encoder),
                                job);
  if (! difference && model->tokenizer)
    difference = compare_file (model, recorded_files (root, "tokenizer"), pm_tokenizer_get_file (model->tokenizer),
                               pm_tokenizer_get_sum (model->tokenizer));
  return difference;
}

char *
pm_record_new (const PmRun *run, PmBackend *backend, const PmRecordSums *sums, double seconds)
{
  g_autoptr (JsonBuilder)   builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char          *request = request_json (run);
  const char               *class_name = pm_model_get_class_name (run->model, run->class_index);

  json_builder_begin_object (builder);
  add_string (builder, "program", "Pentimento");
  add_string (builder, "version", pm_version ());
  add_model (builder, run->model, sums);
  add_int (builder, "class-row", run->class_row);
  if (class_name)
    add_string (builder, "class-name", class_name);
  json_builder_set_member_name (builder, "request");
  json_builder_add_value (builder, json_from_string (request, NULL));
  add_string (builder, "backend", pm_backend_get_class (backend)->id);
  add_string (builder, "device", pm_backend_get_name (backend));
  add_string (builder, "precision", pm_dtype_name (pm_backend_get_activation_dtype (backend)));
  add_int (builder, "threads", pm_pool_get_n_workers (pm_backend_get_pool (backend)));
  json_builder_set_member_name (builder, "seconds");
  json_builder_add_double_value (builder, seconds);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}
