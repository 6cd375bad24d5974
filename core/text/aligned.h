/* Text that remembers where it comes from: every byte has the range of bytes of the original that it stands for. */
#ifndef PM_ALIGNED_H
#define PM_ALIGNED_H

#include <glib.h>

#define PM_ALIGNED_MAX_BYTES (4 * 1024 * 1024)

#define PM_SPACE_MARK "\xe2\x96\x81" /* U+2581, which stands for a space in vocabularies */
#define PM_SPACE_MARK_BYTES 3

typedef struct
{
  char    *bytes;       /* [n] UTF-8, no end */
  guint32 *begin, *end; /* [n] in the original */
  gsize    n, capacity;
  gboolean is_full;     /* more than PM_ALIGNED_MAX_BYTES were appended; what is here is not all */
} PmAligned;

/* A part of such a text: still text (id < 0), or a token that was found in it. */
typedef struct
{
  gsize    first, n;
  int      id;
  gboolean is_special;
} PmSplit;

typedef struct
{
  PmAligned text;
  GArray   *parts; /* PmSplit */
} PmSplits;

void pm_aligned_clear (PmAligned *text);

/* n bytes that all stand for begin..end. */
void pm_aligned_append (PmAligned *text, const char *bytes, gsize n, guint32 begin, guint32 end);

/* Bytes first..first + n of another text, with their origins. */
void pm_aligned_copy (PmAligned *text, const PmAligned *from, gsize first, gsize n);

PmSplits *pm_splits_new (void);
void      pm_splits_free (PmSplits *splits);

/* What was appended since `first` becomes a part of text; nothing when that is nothing. */
void pm_splits_close (PmSplits *splits, gsize first);

/* The same as a token. */
void pm_splits_close_token (PmSplits *splits, gsize first, int id, gboolean is_special);

/* White_Space of Unicode, which both reference libraries mean by white space. */
gboolean pm_is_white_space (gunichar c);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmSplits, pm_splits_free)

#endif
