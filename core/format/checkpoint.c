/* Checkpoints: mapped files, the table of their tensors, and every check on a tensor that formats share. */
#include "format/checkpoint-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/memory.h"
#include "format/format.h"
#include "format/link.h"

#define HEAD_BYTES 4096

/* A mapped file, and how it looked when it was mapped. */
typedef struct
{
  char        *path;
  GMappedFile *file;
  GStatBuf     info;
} PmPart;

struct _PmCheckpoint
{
  char       *path;
  const char *format; /* of the descriptor; NULL until a file was added */
  GPtrArray  *tensors; /* of PmTensor, in the order of the files */
  GHashTable *by_name; /* name -> PmTensor, both borrowed from tensors */
  GPtrArray  *parts;   /* of PmPart */
  GPtrArray  *owned;   /* memory of tensors that are not mapped */
  gsize       n_bytes;
  gsize       copy_budget; /* bytes that pm_checkpoint_alloc_copy may still give */
};

static void
tensor_free (gpointer data)
{
  PmTensor *tensor = data;

  g_free ((char *) tensor->name);
  g_free (tensor);
}

static void
part_free (gpointer data)
{
  PmPart *part = data;

  g_clear_pointer (&part->file, g_mapped_file_unref);
  g_free (part->path);
  g_free (part);
}

PmCheckpoint *
pm_checkpoint_new (const char *path)
{
  PmCheckpoint *checkpoint = g_new0 (PmCheckpoint, 1);

  checkpoint->path = g_strdup (path);
  checkpoint->tensors = g_ptr_array_new_with_free_func (tensor_free);
  checkpoint->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  checkpoint->parts = g_ptr_array_new_with_free_func (part_free);
  checkpoint->owned = g_ptr_array_new_with_free_func (g_free);
  return checkpoint;
}

void
pm_checkpoint_free (PmCheckpoint *checkpoint)
{
  if (! checkpoint)
    return;
  g_hash_table_unref (checkpoint->by_name);
  g_ptr_array_unref (checkpoint->tensors);
  g_ptr_array_unref (checkpoint->owned);
  g_ptr_array_unref (checkpoint->parts);
  g_free (checkpoint->path);
  g_free (checkpoint);
}

gboolean
pm_shape_count (int rank, const gsize *shape, gsize *n_elements)
{
  gsize n = 1;

  for (int i = 0; i < rank; i++)
    if (! g_size_checked_mul (&n, n, shape[i]))
      return FALSE;
  *n_elements = n;
  return TRUE;
}

gpointer
pm_checkpoint_alloc (PmCheckpoint *checkpoint, const char *path, gsize n_bytes, GError **error)
{
  gpointer memory = NULL;

  if (n_bytes <= pm_memory_available () / 4 * 3) /* overcommitted memory is had only until it is filled */
    memory = g_try_malloc (MAX (n_bytes, 1));
  if (! memory)
    g_set_error (error, PM_ERROR, PM_ERROR_MEMORY,
                 _("%s needs %zu MiB of memory, which is not free. Close other programs or choose a smaller model."),
                 path, n_bytes >> 20);
  else
    g_ptr_array_add (checkpoint->owned, memory);
  return memory;
}

gpointer
pm_checkpoint_alloc_copy (PmCheckpoint *checkpoint, const char *path, gsize n_bytes, GError **error)
{
  if (n_bytes > checkpoint->copy_budget)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: its tensors ask for more memory than the file can fill. Download it again."), path);
      return NULL;
    }
  checkpoint->copy_budget -= n_bytes;
  return pm_checkpoint_alloc (checkpoint, path, n_bytes, error);
}

/* FALSE unless name, rank, shape and size agree; sets n_elements. */
static gboolean
check_tensor (PmCheckpoint *checkpoint, const char *path, PmTensor *tensor, gsize n_bytes, GError **error)
{
  gsize element = pm_dtype_size (tensor->dtype), expected = 0;

  if (tensor->rank < 0 || tensor->rank > PM_MAX_RANK)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                   _("%s: the tensor \"%s\" has %d dimensions, but only up to %d are supported. Choose another model."), path,
                   tensor->name, tensor->rank, PM_MAX_RANK);
      return FALSE;
    }
  if (g_hash_table_contains (checkpoint->by_name, tensor->name))
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: it names the tensor \"%s\" twice. Download it again."), path, tensor->name);
      return FALSE;
    }
  if (! pm_shape_count (tensor->rank, tensor->shape, &tensor->n_elements)
      || ! g_size_checked_mul (&expected, tensor->n_elements, element) || (element && expected != n_bytes))
    {
      g_autofree char *shape = pm_tensor_shape_to_string (tensor);

      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED,
                   _("%s is damaged: the tensor \"%s\" of shape %s and type %s cannot be %zu bytes long. Download "
                      "it again."),
                   path, tensor->name, shape, pm_dtype_name (tensor->dtype), n_bytes);
      return FALSE;
    }
  return TRUE;
}

gboolean
pm_checkpoint_add (PmCheckpoint *checkpoint, const char *path, const PmTensor *tensor, const guint8 *data, gsize n_bytes,
                   GError **error)
{
  gsize     element = pm_dtype_size (tensor->dtype);
  PmTensor  checked = *tensor;
  PmTensor *added;

  if (! check_tensor (checkpoint, path, &checked, n_bytes, error))
    return FALSE;
  checked.data = data;
  if (element > 1 && (guintptr) data % element != 0)
    {
      guint8 *copy = pm_checkpoint_alloc_copy (checkpoint, path, n_bytes, error);

      if (! copy)
        return FALSE;
      if (n_bytes > 0)
        memcpy (copy, data, n_bytes);
      checked.data = copy;
    }
  added = g_memdup2 (&checked, sizeof checked);
  added->name = g_strdup (tensor->name);
  g_ptr_array_add (checkpoint->tensors, added);
  g_hash_table_insert (checkpoint->by_name, (char *) added->name, added);
  checkpoint->n_bytes += n_bytes;
  return TRUE;
}

/* Maps a regular file and remembers how it looked. */
static PmPart *
map_part (PmCheckpoint *checkpoint, const char *path, const char *shown, GError **error)
{
  PmPart *part = g_new0 (PmPart, 1);
  int     fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  int     problem = errno;

  part->path = g_strdup (path);
  g_ptr_array_add (checkpoint->parts, part);
  if (fd >= 0)
    {
      if (fstat (fd, &part->info) != 0)
        problem = errno;
      else if (! S_ISREG (part->info.st_mode))
        problem = EINVAL;
      else
        part->file = g_mapped_file_new_from_fd (fd, FALSE, NULL);
      close (fd);
    }
  if (! part->file)
    {
      if (pm_link_check (path, error))
        g_set_error (error, PM_ERROR, PM_ERROR_IO, _("%s cannot be read (%s). Check its name and permissions."), shown,
                     g_strerror (problem));
      return NULL;
    }
  return part;
}

/* What people download by mistake, recognised by its first bytes. */
static const char *
describe_stranger (const guint8 *head, gsize n)
{
  static const struct
  {
    const char *start, *message;
  } strangers[] = {
    { "version https://git-lfs", N_("%s only points to a file that Git LFS keeps elsewhere. Run \"git lfs pull\" in its "
                                     "folder or download the file itself.") },
    { "<!DOCTYPE", N_("%s is a web page, not a model. Download the file itself, perhaps after accepting the model's licence.") },
    { "<html", N_("%s is a web page, not a model. Download the file itself, perhaps after accepting the model's licence.") },
    { "GGUF", N_("%s is a GGUF file, which this version cannot read. Choose the model's safetensors file.") },
    { "\x80\x02\x8a\x0al\xfc\x9c", N_("%s is in PyTorch's format from before version 1.6. Load it in PyTorch and save it "
                                       "again, or choose a safetensors file.") },
    { "", N_("%s is no checkpoint that this version can read. Choose a safetensors file or a PyTorch .pt or .pth file.") },
  };
  gsize i = 0;

  while (n < strlen (strangers[i].start) || memcmp (head, strangers[i].start, strlen (strangers[i].start)) != 0)
    i++;
  return strangers[i].message;
}

/* An index of shards names other files, so it is no format of the registry: a shard cannot be an index. */
static gboolean
add_file (PmCheckpoint *checkpoint, const char *path, gboolean may_be_index, GError **error)
{
  g_autofree char *shown = g_filename_display_name (path);
  PmPart       *part = map_part (checkpoint, path, shown, error);
  const guint8 *head = part ? (const guint8 *) g_mapped_file_get_contents (part->file) : NULL;
  gsize         n_head = part ? MIN (g_mapped_file_get_length (part->file), HEAD_BYTES) : 0;
  gsize         budget = 0;

  if (! part)
    return FALSE;
  if (n_head == 0)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s is empty. Download it again."), shown);
      return FALSE;
    }
  if (! g_size_checked_mul (&budget, g_mapped_file_get_length (part->file), 2)
      || ! g_size_checked_add (&checkpoint->copy_budget, checkpoint->copy_budget, budget))
    checkpoint->copy_budget = G_MAXSIZE;
  if (may_be_index && pm_shards_probe (head, n_head))
    return pm_shards_open (checkpoint, path, part->file, error);
  for (int i = 0; pm_formats[i]; i++)
    if (pm_formats[i]->probe (head, n_head))
      {
        checkpoint->format = pm_formats[i]->id;
        return pm_formats[i]->open (checkpoint, shown, part->file, error);
      }
  g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED, g_dgettext (GETTEXT_PACKAGE, describe_stranger (head, n_head)), shown);
  return FALSE;
}

gboolean
pm_checkpoint_add_file (PmCheckpoint *checkpoint, const char *path, GError **error)
{
  return add_file (checkpoint, path, FALSE, error);
}

PmCheckpoint *
pm_checkpoint_open (const char *path, GError **error)
{
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_new (path);
  g_autofree char *file = g_file_test (path, G_FILE_TEST_IS_DIR) ? pm_checkpoint_resolve_folder (path, error) : g_strdup (path);

  if (! file || ! add_file (checkpoint, file, TRUE, error))
    return NULL;
  if (checkpoint->tensors->len == 0)
    {
      g_autofree char *shown = g_filename_display_name (file);

      g_set_error (error, PM_ERROR, PM_ERROR_DAMAGED, _("%s holds no tensors at all. Download it again or choose another file."),
                   shown);
      return NULL;
    }
  return g_steal_pointer (&checkpoint);
}

PmCheckpoint *
pm_checkpoint_new_hash (const char *json, GError **error)
{
  g_autoptr (PmCheckpoint) checkpoint = pm_checkpoint_new ("hash");

  checkpoint->format = "hash";
  return pm_hash_fill (checkpoint, "hash", json, strlen (json), error) ? g_steal_pointer (&checkpoint) : NULL;
}

const PmTensor *
pm_checkpoint_find (PmCheckpoint *checkpoint, const char *name)
{
  return g_hash_table_lookup (checkpoint->by_name, name);
}

guint
pm_checkpoint_get_n_tensors (PmCheckpoint *checkpoint)
{
  return checkpoint->tensors->len;
}

const PmTensor *
pm_checkpoint_get_tensor (PmCheckpoint *checkpoint, guint i)
{
  g_assert (i < checkpoint->tensors->len);
  return g_ptr_array_index (checkpoint->tensors, i);
}

const char *
pm_checkpoint_get_format (PmCheckpoint *checkpoint)
{
  return checkpoint->format;
}

const char *
pm_checkpoint_get_path (PmCheckpoint *checkpoint)
{
  return checkpoint->path;
}

gsize
pm_checkpoint_get_bytes (PmCheckpoint *checkpoint)
{
  return checkpoint->n_bytes;
}

guint
pm_checkpoint_get_n_files (PmCheckpoint *checkpoint)
{
  return checkpoint->parts->len;
}

const char *
pm_checkpoint_get_file (PmCheckpoint *checkpoint, guint i)
{
  return ((PmPart *) g_ptr_array_index (checkpoint->parts, i))->path;
}

gboolean
pm_checkpoint_verify (PmCheckpoint *checkpoint, GError **error)
{
  for (guint i = 0; i < checkpoint->parts->len; i++)
    {
      const PmPart *part = g_ptr_array_index (checkpoint->parts, i);
      GStatBuf      now;

      if (g_stat (part->path, &now) != 0 || now.st_size != part->info.st_size
          || now.st_mtim.tv_sec != part->info.st_mtim.tv_sec || now.st_mtim.tv_nsec != part->info.st_mtim.tv_nsec)
        {
          g_autofree char *shown = g_filename_display_name (part->path);

          g_set_error (error, PM_ERROR, PM_ERROR_IO,
                       _("%s was changed or removed since it was opened. Open the model again."), shown);
          return FALSE;
        }
    }
  return TRUE;
}

void
pm_checkpoint_let_go (PmCheckpoint *checkpoint, const PmTensor *tensor)
{
  guintptr page = (guintptr) sysconf (_SC_PAGESIZE), first = (guintptr) tensor->data;
  guintptr end = (first + tensor->n_elements * pm_dtype_size (tensor->dtype)) / page * page;

  for (guint i = 0; i < checkpoint->parts->len; i++)
    {
      GMappedFile *file = ((PmPart *) g_ptr_array_index (checkpoint->parts, i))->file;
      guintptr     start = file ? (guintptr) g_mapped_file_get_contents (file) : 0;
      if (start && first >= start && end <= start + g_mapped_file_get_length (file))
        { /* memory of our own, which would be zeroed, lies in no file */
          first = (first + page - 1) / page * page;
          if (first < end)
            madvise ((void *) first, end - first, MADV_DONTNEED);
          return;
        }
    }
}
