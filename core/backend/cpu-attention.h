/* What cpu-attention.c and cpu-reduce.c share: one head's work by one worker. Letters as in ops.h. */
#ifndef PM_CPU_ATTENTION_H
#define PM_CPU_ATTENTION_H

#include "backend/cpu.h"

typedef struct
{
  PmBackend         *backend;
  const PmAttention *op;
  const PmKernel    *kernel;
  const float       *q, *k, *v;
  float             *out;
  int                width;         /* of a full panel */
  int                part, n_parts; /* queries of a part of a head, whole panels; and how many parts there are */
  float             *partial;       /* [B, H, n_parts, n_query_weights, Tk], or NULL with one part */
  float             *values;        /* [B, H] of [d, n_keys up to 16], shared by workers; NULL: each brings its own together */
} PmAttentionJob;

/* A worker's memory; what is rounded up to 16 rows may be read there, never used. */
typedef struct
{
  int          b, h, n_keys;
  const float *k;         /* [n_keys, d], rows k_stride apart */
  gsize        k_stride;
  const float *v;         /* [d, n_keys up to 16] */
  float       *own_k, *own_v;

  int    i0, n, width; /* queries i0 .. i0 + n in a panel of that width */
  float *q;          /* [d, width] times the scale of logits */
  float *p;          /* [n_keys up to 16, width] */
  float *out;        /* [d up to 16, width] */
  float *regions;    /* [n_regions, width] */
  float *inverse;    /* [width] 1 / sum of p's column */
  float *entropy;    /* [width] */
  float *sums;       /* [n_query_weights, n_keys up to 16, 16]: by lanes, of all panels so far */
  float *key_sums;   /* [n_key_weights, width] */
} PmAttentionHead;

/* The five primitives: before the first panel of a part, for every panel, after the last, and when all parts are done. */
void pm_attention_reduce_begin (const PmAttentionJob *job, PmAttentionHead *head);
void pm_attention_reduce_panel (const PmAttentionJob *job, PmAttentionHead *head);
void pm_attention_reduce_end (const PmAttentionJob *job, PmAttentionHead *head, int part);
void pm_attention_reduce_join (const PmAttentionJob *job);

/* matrix [Tq, Tk] of the item += head_weights[h] P for the panel. */
void pm_attention_reduce_matrix (const PmAttentionJob *job, const PmAttentionHead *head);

#endif
