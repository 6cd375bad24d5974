/* How configuration files are read: by tables of keys, one reader for a value. */
#ifndef PM_CONFIG_PRIVATE_H
#define PM_CONFIG_PRIVATE_H

#include "format/config.h"
#include "format/json.h"

/* While one file is read. */
typedef struct
{
  PmConfig   *config;
  const char *folder;
  const char *shown; /* the file's name for messages */
  const char *key;   /* that is being read */
  GPtrArray  *notes;
} PmConfigReader;

typedef struct
{
  const char *key;
  gboolean (*read) (PmConfigReader *reader, JsonNode *node, GError **error); /* NULL: the key means nothing here */
  const char *message; /* "%s" is the file; for a reader that failed without an error of its own */
} PmConfigKey;

typedef struct _PmConfigTable PmConfigTable;
struct _PmConfigTable
{
  const PmConfigKey   *keys;
  gsize                n;
  const PmConfigTable *next; /* looked into for keys that are not in this one */
};

/* Reads an object's members; a key that is in no table becomes a note. */
gboolean pm_config_read_object (PmConfigReader *reader, JsonNode *node, const PmConfigTable *table, GError **error);

/* The root of a file that should be one object; free with json_node_unref. */
JsonNode *pm_config_load_object (const char *path, GError **error);

/* Reads that object, or loads and reads it; config->path is then the file. */
gboolean pm_config_read_root (PmConfig *config, GPtrArray *notes, const char *path, JsonNode *root, const PmConfigTable *table,
                              GError **error);
gboolean pm_config_read_file (PmConfig *config, GPtrArray *notes, const char *path, const PmConfigTable *table, GError **error);

gboolean pm_config_read_int (JsonNode *node, int low, int high, int *value);
gboolean pm_config_read_double (JsonNode *node, double low, double high, double *value);

/* What a dialect calls a prediction. FALSE for a name that is not among the n. */
typedef struct
{
  const char  *name;
  PmPrediction prediction;
} PmPredictionName;

gboolean pm_config_read_prediction (PmConfigReader *reader, JsonNode *node, const PmPredictionName *names, gsize n);

/* ["name", ...], or {"0": "name", ...}, as diffusers' id2label is; NULL when it is neither. Free with g_strfreev. */
char **pm_config_read_names (JsonNode *node, gboolean has_gaps);

/* config-diffusers.c: keys of a transformer's config.json, and the other files of a pipeline's folder. */
extern const PmConfigTable pm_config_transformer_table;
gboolean pm_config_read_pipeline (PmConfig *config, GPtrArray *notes, const char *folder, GError **error);

/* Settings of which only one value can be computed with: false or null; true. */
gboolean pm_config_is_off (PmConfigReader *reader, JsonNode *node, GError **error);
gboolean pm_config_is_on (PmConfigReader *reader, JsonNode *node, GError **error);

/* config-scheduler.c: a pipeline's scheduler_config.json. */
gboolean pm_config_read_scheduler (PmConfig *config, GPtrArray *notes, const char *path, GError **error);

/* Keys of a schedule that other files write as well. */
gboolean pm_config_read_beta_start (PmConfigReader *reader, JsonNode *node, GError **error);
gboolean pm_config_read_beta_end (PmConfigReader *reader, JsonNode *node, GError **error);
gboolean pm_config_read_train_steps (PmConfigReader *reader, JsonNode *node, GError **error);

#endif
