/* A model's config.json or sidecar. The schema is a table: key, how it is read, and the sentence for a wrong value.
 * Keys that are not in it become notes; those of diffusers are in config-diffusers.c and config-scheduler.c. */
#include "format/config-private.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "format/link.h"

#define MAX_CONFIG_BYTES (4u << 20)
#define MAX_CLASSES 1000000
#define MAX_LAYERS 1000

PmConfig *
pm_config_new (void)
{
  PmConfig *config = g_new0 (PmConfig, 1);

  config->schedule = (PmSchedule){ .beta_start = 1e-4, .beta_end = 0.02, .n_train_steps = 1000, .time_scale = 1000,
                                   .shift = 1 };
  config->null_class = -1;
  config->guidance_channels = -1;
  config->default_guidance = -1;
  config->guidance_interval[1] = 1;
  config->notes = g_new0 (char *, 1);
  return config;
}

void
pm_config_free (PmConfig *config)
{
  if (! config)
    return;
  g_free (config->path);
  g_free (config->family);
  g_free (config->pipeline);
  g_strfreev (config->classes);
  g_free (config->vae);
  g_free (config->text_encoder);
  g_free (config->tokenizer);
  g_clear_pointer (&config->recommended_layers, g_array_unref);
  g_free (config->default_sampler);
  g_strfreev (config->notes);
  g_free (config);
}

static gboolean
is_plain_name (const char *name)
{
  return name && name[0] != '\0' && name[0] != '.' && ! strpbrk (name, "/\\");
}

gboolean
pm_config_read_int (JsonNode *node, int low, int high, int *value)
{
  gsize number;

  if (! pm_json_read_size (node, &number) || number > (gsize) high || (int) number < low)
    return FALSE;
  *value = (int) number;
  return TRUE;
}

gboolean
pm_config_read_double (JsonNode *node, double low, double high, double *value)
{
  double number;

  if (! pm_json_read_number (node, &number) || ! (number >= low && number <= high))
    return FALSE;
  *value = number;
  return TRUE;
}

static gboolean
read_text (JsonNode *node, char **value)
{
  const char *text = pm_json_read_string (node);

  if (! text || ! text[0])
    return FALSE;
  g_free (*value);
  *value = g_strdup (text);
  return TRUE;
}

static const PmConfigKey *
find_key (const PmConfigTable *table, const char *name)
{
  for (; table; table = table->next)
    for (gsize i = 0; i < table->n; i++)
      if (strcmp (table->keys[i].key, name) == 0)
        return &table->keys[i];
  return NULL;
}

gboolean
pm_config_read_object (PmConfigReader *reader, JsonNode *node, const PmConfigTable *table, GError **error)
{
  JsonObjectIter iter;
  const char    *name;
  JsonNode      *member;

  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &name, &member))
    {
      const PmConfigKey *key = find_key (table, name);
      GError            *own = NULL;

      reader->key = name;
      if (! key)
        g_ptr_array_add (reader->notes, g_strdup_printf (_("%s: the key \"%s\" is not known and was ignored."), reader->shown,
                                                         name));
      else if (key->read && ! key->read (reader, member, &own))
        {
          if (own)
            g_propagate_error (error, own);
          else
            g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, g_dgettext (GETTEXT_PACKAGE, key->message), reader->shown);
          return FALSE;
        }
    }
  return TRUE;
}

JsonNode *
pm_config_load_object (const char *path, GError **error)
{
  g_autofree char     *shown = g_filename_display_name (path);
  g_autoptr (JsonNode) root = pm_json_load (path, MAX_CONFIG_BYTES, error);

  if (! root || JSON_NODE_HOLDS_OBJECT (root))
    return g_steal_pointer (&root);
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s should be a JSON object of settings. Correct it."), shown);
  return NULL;
}

gboolean
pm_config_read_root (PmConfig *config, GPtrArray *notes, const char *path, JsonNode *root, const PmConfigTable *table,
                     GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *shown = g_filename_display_name (path);
  PmConfigReader   reader = { .config = config, .folder = folder, .shown = shown, .notes = notes };

  if (! pm_config_read_object (&reader, root, table, error))
    return FALSE;
  g_free (config->path);
  config->path = g_strdup (path);
  return TRUE;
}

gboolean
pm_config_read_file (PmConfig *config, GPtrArray *notes, const char *path, const PmConfigTable *table, GError **error)
{
  g_autoptr (JsonNode) root = pm_config_load_object (path, error);
  return root && pm_config_read_root (config, notes, path, root, table, error);
}

static gboolean
read_family (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return read_text (node, &reader->config->family);
}

gboolean
pm_config_read_prediction (PmConfigReader *reader, JsonNode *node, const PmPredictionName *names, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (g_strcmp0 (pm_json_read_string (node), names[i].name) == 0)
      {
        reader->config->prediction = names[i].prediction;
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_prediction (PmConfigReader *reader, JsonNode *node, GError **error)
{
  static const PmPredictionName names[] = {
    { "eps", PM_PREDICTION_EPS },
    { "eps_learned_range", PM_PREDICTION_EPS_LEARNED_RANGE },
    { "v", PM_PREDICTION_V },
    { "x0", PM_PREDICTION_X0 }
  };

  return pm_config_read_prediction (reader, node, names, G_N_ELEMENTS (names));
}

static gboolean
read_schedule_type (PmConfigReader *reader, JsonNode *node, GError **error)
{
  const char *type = pm_json_read_string (node);

  reader->config->schedule.type = g_strcmp0 (type, "flow") == 0 ? PM_SCHEDULE_FLOW : PM_SCHEDULE_LINEAR;
  return g_strcmp0 (type, "flow") == 0 || g_strcmp0 (type, "linear") == 0;
}

gboolean
pm_config_read_beta_start (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 1e-9, 0.999, &reader->config->schedule.beta_start);
}

gboolean
pm_config_read_beta_end (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 1e-9, 0.999, &reader->config->schedule.beta_end);
}

gboolean
pm_config_read_train_steps (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 2, 100000, &reader->config->schedule.n_train_steps);
}

static gboolean
read_noise_at (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 0, 1, &reader->config->schedule.noise_at);
}

static gboolean
read_time_scale (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 1e-3, 1e6, &reader->config->schedule.time_scale);
}

static gboolean
read_variance (PmConfigReader *reader, JsonNode *node, GError **error)
{
  const char *name = pm_json_read_string (node);

  reader->config->schedule.variance = g_strcmp0 (name, "fixed_small") == 0 ? PM_VARIANCE_SMALL : PM_VARIANCE_LARGE;
  return g_strcmp0 (name, "fixed_small") == 0 || g_strcmp0 (name, "fixed_large") == 0;
}

static const PmConfigKey schedule_keys[] = {
  { "type", read_schedule_type, N_("%s: the \"type\" of \"schedule\" should be \"linear\" or \"flow\". Correct it.") },
  { "beta_start", pm_config_read_beta_start,
    N_("%s: \"beta_start\" should be a number between 0 and 1, such as 0.0001. Correct it.") },
  { "beta_end", pm_config_read_beta_end, N_("%s: \"beta_end\" should be a number between 0 and 1, such as 0.02. Correct it.") },
  { "steps", pm_config_read_train_steps,
    N_("%s: \"steps\" of \"schedule\" should be a whole number, such as 1000. Correct it.") },
  { "variance", read_variance,
    N_("%s: \"variance\" of \"schedule\" should be \"fixed_large\" or \"fixed_small\". Correct it.") },
  { "noise_at", read_noise_at,
    N_("%s: \"noise_at\" should be 0 or 1, the model's time where there is only noise. Correct it.") },
  { "time_scale", read_time_scale, N_("%s: \"time_scale\" should be a positive number, such as 1000. Correct it.") },
};

static gboolean
read_schedule (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (! JSON_NODE_HOLDS_OBJECT (node) || ! json_object_has_member (json_node_get_object (node), "type"))
    return FALSE;
  reader->config->has_schedule = TRUE;
  reader->config->schedule.noise_at = 1;
  return pm_config_read_object (reader, node, &(PmConfigTable) { schedule_keys, G_N_ELEMENTS (schedule_keys) }, error);
}

static gboolean
read_null_class (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 0, MAX_CLASSES, &reader->config->null_class);
}

char **
pm_config_read_names (JsonNode *node, gboolean has_gaps)
{
  JsonArray  *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  guint       n = array ? json_array_get_length (array) : object ? json_object_get_size (object) : 0;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (n == 0 || n > MAX_CLASSES)
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *key = g_strdup_printf ("%u", i);
      JsonNode        *member = array ? json_array_get_element (array, i) : json_object_get_member (object, key);
      gboolean         is_gap = has_gaps && member && JSON_NODE_HOLDS_NULL (member);
      const char      *name = is_gap ? "" : pm_json_read_string (member);

      if (! name)
        return NULL;
      g_ptr_array_add (names, g_strdup (name));
    }
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

char **
pm_config_load_names (const char *path, gboolean has_gaps, GError **error)
{
  g_autoptr (JsonNode) root = pm_json_load (path, MAX_CONFIG_BYTES * 4, error);
  g_autofree char *shown = g_filename_display_name (path);
  char           **names = root ? pm_config_read_names (root, has_gaps) : NULL;

  if (root && ! names)
    g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                 _("%s should be a JSON list of class names, or an object from \"0\", \"1\" and so on to names. Correct it."),
                 shown);
  return names;
}

static gboolean
read_classes (PmConfigReader *reader, JsonNode *node, GError **error)
{
  const char *file = pm_json_read_string (node);
  g_autofree char *path = is_plain_name (file) ? g_build_filename (reader->folder, file, NULL) : NULL;

  if (file && ! path)
    return FALSE;
  g_strfreev (reader->config->classes);
  reader->config->classes = path ? pm_config_load_names (path, FALSE, error) : pm_config_read_names (node, FALSE);
  return reader->config->classes != NULL;
}

static gboolean
read_guidance_channels (PmConfigReader *reader, JsonNode *node, GError **error)
{
  if (g_strcmp0 (pm_json_read_string (node), "all") == 0)
    {
      reader->config->guidance_channels = 0;
      return TRUE;
    }
  return pm_config_read_int (node, 3, 3, &reader->config->guidance_channels);
}

static gboolean
read_vae (PmConfigReader *reader, JsonNode *node, GError **error)
{
  reader->config->has_vae = TRUE;
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  return is_plain_name (pm_json_read_string (node)) && read_text (node, &reader->config->vae);
}

static gboolean
read_text_encoder (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return read_text (node, &reader->config->text_encoder);
}

static gboolean
read_tokenizer (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return read_text (node, &reader->config->tokenizer);
}

static gboolean
read_layers (PmConfigReader *reader, JsonNode *node, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint      n = array ? json_array_get_length (array) : 0;
  g_autoptr (GArray) layers = g_array_new (FALSE, FALSE, sizeof (int));

  if (n == 0 || n > MAX_LAYERS)
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      int layer;

      if (! pm_config_read_int (json_array_get_element (array, i), 0, MAX_LAYERS, &layer))
        return FALSE;
      g_array_append_val (layers, layer);
    }
  g_clear_pointer (&reader->config->recommended_layers, g_array_unref);
  reader->config->recommended_layers = g_steal_pointer (&layers);
  return TRUE;
}

static gboolean
read_sampler (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return read_text (node, &reader->config->default_sampler);
}

static gboolean
read_steps (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, 1000, &reader->config->default_steps);
}

static gboolean
read_guidance (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_double (node, 0, 1000, &reader->config->default_guidance);
}

static gboolean
read_interval (PmConfigReader *reader, JsonNode *node, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  double    *interval = reader->config->guidance_interval;

  return array && json_array_get_length (array) == 2
         && pm_config_read_double (json_array_get_element (array, 0), 0, 1, &interval[0])
         && pm_config_read_double (json_array_get_element (array, 1), interval[0], 1, &interval[1]);
}

static gboolean
read_default_size (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return pm_config_read_int (node, 1, 16384, &reader->config->default_size);
}

static const PmConfigKey default_keys[] = {
  { "sampler", read_sampler, N_("%s: \"sampler\" should be a sampler's name, such as \"euler\". Correct it.") },
  { "steps", read_steps, N_("%s: \"steps\" of \"defaults\" should be a whole number from 1 to 1000. Correct it.") },
  { "guidance", read_guidance, N_("%s: \"guidance\" should be a number from 0 to 1000, such as 4. Correct it.") },
  { "guidance_interval", read_interval,
    N_("%s: \"guidance_interval\" should be two numbers from 0 to 1, the smaller first. Correct it.") },
  { "size", read_default_size, N_("%s: \"size\" should be a whole number of pixels, such as 256. Correct it.") },
};

static gboolean
read_defaults (PmConfigReader *reader, JsonNode *node, GError **error)
{
  return JSON_NODE_HOLDS_OBJECT (node)
         && pm_config_read_object (reader, node, &(PmConfigTable) { default_keys, G_N_ELEMENTS (default_keys) }, error);
}

static const PmConfigKey config_keys[] = {
  { "family", read_family, N_("%s: \"family\" should be a name, such as \"dit\". Correct it or remove the key.") },
  { "prediction", read_prediction,
    N_("%s: \"prediction\" should be \"eps\", \"eps_learned_range\", \"v\" or \"x0\". Correct it or remove the key.") },
  { "schedule", read_schedule,
    N_("%s: \"schedule\" should be an object with a \"type\", \"linear\" or \"flow\". Correct it or remove the key.") },
  { "null_class", read_null_class,
    N_("%s: \"null_class\" should be a row of the class table, such as 1000. Correct it or remove the key.") },
  { "classes", read_classes,
    N_("%s: \"classes\" should be a list of names or the name of a file in the same folder. Correct it or remove the key.") },
  { "guidance_channels", read_guidance_channels,
    N_("%s: \"guidance_channels\" should be 3 or \"all\". Correct it or remove the key.") },
  { "vae", read_vae, N_("%s: \"vae\" should be a folder's name in the same folder, or null. Correct it or remove the key.") },
  { "text_encoder", read_text_encoder,
    N_("%s: \"text_encoder\" should be the path of a folder or file, or its name in the same folder. Correct it or remove the "
       "key.") },
  { "tokenizer", read_tokenizer,
    N_("%s: \"tokenizer\" should be the path of a folder or file, or its name in the same folder. Correct it or remove the "
       "key.") },
  { "recommended_layers", read_layers,
    N_("%s: \"recommended_layers\" should be a list of layer numbers from 0. Correct it or remove the key.") },
  { "defaults", read_defaults, N_("%s: \"defaults\" should be an object. Correct it or remove the key.") },
};

/* NAME.json beside NAME.pt. A file with one of the names that stand for its folder has the folder's config.json too. */
char *
pm_config_find (const char *model_path)
{
  static const char *const endings[] = { ".safetensors.index.json", ".bin.index.json", ".hash.json", ".safetensors",
                                         ".pth", ".pt", ".bin" };
  g_autofree char *folder = g_path_get_dirname (model_path);
  g_autofree char *name = g_path_get_basename (model_path);
  g_autofree char *own = g_strdup (name);
  g_autofree char *sidecar = NULL;
  char *dot;
  gsize i = 0;

  if (g_file_test (model_path, G_FILE_TEST_IS_DIR))
    return g_build_filename (model_path, "config.json", NULL);
  while (i < G_N_ELEMENTS (endings) && ! g_str_has_suffix (name, endings[i]))
    i++;
  if (i < G_N_ELEMENTS (endings))
    name[strlen (name) - strlen (endings[i])] = '\0';
  else if ((dot = strrchr (name, '.')) && dot != name)
    *dot = '\0';
  if (g_str_has_suffix (own, ".json") && strlen (own) == strlen (name) + strlen (".json"))
    return NULL; /* the checkpoint itself */
  sidecar = g_strconcat (folder, G_DIR_SEPARATOR_S, name, ".json", NULL);
  if (! g_file_test (sidecar, G_FILE_TEST_EXISTS)
      && (strcmp (name, "model") == 0 || strcmp (name, "diffusion_pytorch_model") == 0))
    return g_build_filename (folder, "config.json", NULL);
  return g_steal_pointer (&sidecar);
}

PmConfig *
pm_config_load (const char *model_path, GError **error)
{
  static const PmConfigTable table = { config_keys, G_N_ELEMENTS (config_keys), &pm_config_transformer_table };
  g_autoptr (PmConfig) config = pm_config_new ();
  g_autofree char *path = pm_config_find (model_path);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);

  if (g_file_test (model_path, G_FILE_TEST_IS_DIR) && ! pm_config_read_pipeline (config, notes, model_path, error))
    return NULL;
  if (path && ! pm_link_check (path, error))
    return NULL;
  if (path && g_file_test (path, G_FILE_TEST_EXISTS) && ! pm_config_read_file (config, notes, path, &table, error))
    return NULL;
  g_ptr_array_add (notes, NULL);
  g_strfreev (config->notes);
  config->notes = (char **) g_ptr_array_free (g_steal_pointer (&notes), FALSE);
  return g_steal_pointer (&config);
}
