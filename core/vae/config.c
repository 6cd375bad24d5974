/* See config.h. Keys and defaults: diffusers, models/autoencoders/autoencoder_kl.py, AutoencoderKL.__init__. */
#include "vae/config.h"

#include "base/error.h"
#include "base/i18n.h"
#include "format/json.h"
#include "format/link.h"

#define MAX_CONFIG_BYTES (1u << 20)

/* The member of that name, or NULL where it is not or is null. */
static JsonNode *
find (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);
  return node && ! JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
set_wrong (const char *shown, const char *key, const char *expected, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s: \"%s\" should be %s. Correct it or remove the key."), shown, key,
               expected);
  return FALSE;
}

static gboolean
read_whole (JsonObject *object, const char *shown, const char *key, gsize high, int *value, GError **error)
{
  JsonNode *node = find (object, key);
  gsize     number = 0;

  if (! node)
    return TRUE;
  if (! pm_json_read_size (node, &number) || number < 1 || number > high)
    return set_wrong (shown, key, _("a whole number above 0, such as 32"), error);
  *value = (int) number;
  return TRUE;
}

static gboolean
read_number (JsonObject *object, const char *shown, const char *key, double least, double *value, GError **error)
{
  JsonNode *node = find (object, key);

  if (node && (! pm_json_read_number (node, value) || ! (*value >= least && *value <= 1e6)))
    return set_wrong (shown, key, _("a number, such as 0.18215"), error);
  return TRUE;
}

static gboolean
read_flag (JsonObject *object, const char *shown, const char *key, gboolean *value, GError **error)
{
  JsonNode *node = find (object, key);

  if (! node)
    return TRUE;
  if (! JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return set_wrong (shown, key, _("true or false"), error);
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* TRUE unless the list names anything but `known`. */
static gboolean
check_types (JsonObject *object, const char *shown, const char *key, const char *known, GError **error)
{
  JsonNode  *node = find (object, key);
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    if (g_strcmp0 (pm_json_read_string (json_array_get_element (array, i)), known) != 0)
      {
        g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                     _("%s: \"%s\" names a block other than “%s”, which is the only one that this version can run; choose "
                       "another decoder."),
                     shown, key, known);
        return FALSE;
      }
  return TRUE;
}

/* What would be computed otherwise than here. */
static gboolean
check_supported (JsonObject *object, const char *shown, GError **error)
{
  JsonNode   *node = find (object, "act_fn");
  const char *activation = node ? pm_json_read_string (node) : "silu";

  if (g_strcmp0 (activation, "silu") != 0 && g_strcmp0 (activation, "swish") != 0)
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s: \"act_fn\" is not “silu”, the only one that this version can run; choose another decoder."), shown);
  else if (find (object, "latents_mean") || find (object, "latents_std"))
    g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                 _("%s: means of every channel (\"latents_mean\") are not supported by this version; choose another decoder."),
                 shown);
  else
    return check_types (object, shown, "down_block_types", "DownEncoderBlock2D", error)
           && check_types (object, shown, "up_block_types", "UpDecoderBlock2D", error);
  return FALSE;
}

static gboolean
read_object (JsonObject *object, const char *shown, PmVaeConfig *config, GError **error)
{
  JsonNode *channels = find (object, "block_out_channels");

  if (channels && (! JSON_NODE_HOLDS_ARRAY (channels) || json_array_get_length (json_node_get_array (channels)) == 0))
    return set_wrong (shown, "block_out_channels", _("a list of channels, such as [128, 256, 512, 512]"), error);
  if (channels)
    config->n_levels = (int) MIN (json_array_get_length (json_node_get_array (channels)), 1000);
  return read_whole (object, shown, "norm_num_groups", 8192, &config->n_groups, error)
         && read_whole (object, shown, "layers_per_block", 1000, &config->n_layers, error)
         && read_number (object, shown, "scaling_factor", 1e-6, &config->scaling, error)
         && read_number (object, shown, "shift_factor", -1e6, &config->shift, error)
         && read_flag (object, shown, "mid_block_add_attention", &config->has_attention, error)
         && read_flag (object, shown, "use_quant_conv", &config->has_quant_conv, error)
         && read_flag (object, shown, "use_post_quant_conv", &config->has_post_quant_conv, error)
         && check_supported (object, shown, error);
}

gboolean
pm_vae_config_load (const char *path, PmVaeConfig *config, GError **error)
{
  g_autoptr (JsonNode) root = NULL;

  *config = (PmVaeConfig) { .n_groups = 32, .has_attention = TRUE, .has_quant_conv = TRUE, .has_post_quant_conv = TRUE,
                            .scaling = 0.18215 };
  if (path && ! pm_link_check (path, error))
    return FALSE;
  if (! path || ! g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  root = pm_json_load (path, MAX_CONFIG_BYTES, error);
  if (! root)
    return FALSE;
  g_autofree char *shown = g_filename_display_name (path);
  if (! JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s should be a JSON object of settings. Correct it."), shown);
      return FALSE;
    }
  config->is_known = TRUE;
  return read_object (json_node_get_object (root), shown, config, error);
}
