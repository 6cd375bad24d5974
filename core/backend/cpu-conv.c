/* Convolutions on the CPU, channels last, without unfolding the picture: a block of pixels with its border is gathered into
 * scratch memory (norm, activation and zeros outside applied on the way), where the pixels that one element (ky, kx) of the
 * kernel meets lie in rows of equal distance. So each element is one product of BLAS over the whole block, added to a tile
 * that stays in cache; the few results between two rows of the block are computed too, and dropped.
 *
 * Blocks are cut for the processors of the machine, not for the workers of the run: see blas.c. */
#include <string.h>
#include <unistd.h>

#include "backend/cpu.h"
#include "backend/features.h"
#include "base/pool.h"
#include "base/simd.h"

#define BLOCK_COLS 64
#define BLOCK_FLOATS (256 * 1024) /* of the gathered block, and of the tile: together they fit a second-level cache of 2 MiB */
#define BLOCK_PIXELS 1024
#define LEAST_PIXELS 64

/* Letters: C channels in, N out. Places: where the kernel is put, pixels of y, or of x when it is doubled. */
typedef struct
{
  PmBackend    *backend;
  const PmConv *op;
  float        *bias;       /* [N] or NULL */
  int           rows, cols; /* of places: a block's */
  int           height, width; /* of places: all */
  int           n_across;
  int           side;       /* of what a place touches */
  int           first_task; /* of the band that is worked on */
} PmConvJob;

/* One block. */
typedef struct
{
  int    row, col, rows, cols; /* places */
  int    pitch;                /* pixels of a row of `input` */
  int    tile_pitch;           /* of `tile` */
  float *input;                /* [((rows - 1) * stride + side) * pitch, C] */
  float *tile;                 /* [rows * tile_pitch, N] */
  float *line;                 /* [2, N] */
} PmConvBlock;

/* to[i] = x[i] * scale[i] + shift[i] */
PM_CLONES static void
affine_row (int n, const float *x, const float *scale, const float *shift, float *to)
{
  for (int i = 0; i < n; i++)
    to[i] = x[i] * scale[i] + shift[i];
}

/* One row of the block's input; y is x's row, which may lie outside. */
static void
gather_row (const PmConvJob *job, const PmConvBlock *block, int y, float *to /* [pitch, C] */)
{
  const PmConv *op = job->op;
  int           C = op->x.channels, first = block->col * op->stride - op->pad;

  if (y < 0 || y >= op->x.height)
    {
      memset (to, 0, sizeof (float) * block->pitch * C);
      return;
    }
  for (int j = 0; j < block->pitch; j++, to += C)
    {
      int   x = first + j;
      gsize pixel = (gsize) y * op->x.width + x;
      if (x < 0 || x >= op->x.width)
        {
          memset (to, 0, sizeof (float) * C);
          continue;
        }
      const float *from = (const float *) op->x.data + pixel * op->x.stride;
      if (op->x.dtype != PM_DTYPE_F32 || ! op->scale)
        {
          pm_features_read (&op->x, pixel, C, to);
          from = to;
        }
      if (op->scale)
        affine_row (C, from, op->scale, op->shift, to);
      if (op->scale && op->activation != PM_ACTIVATION_NONE)
        pm_cpu_epilogue_row (op->activation, C, to, NULL, NULL, NULL, to);
    }
}

static void
gather (const PmConvJob *job, const PmConvBlock *block)
{
  const PmConv *op = job->op;
  gsize         row_floats = (gsize) block->pitch * op->x.channels;
  int           n_rows = (block->rows - 1) * op->stride + job->side;

  for (int i = 0; i < n_rows; i++)
    gather_row (job, block, block->row * op->stride - op->pad + i, block->input + i * row_floats);
}

/* tile (+)= the block's pixels under one element of the kernel . w [N, C]^T, whose rows are w_stride apart. */
static void
multiply (const PmConvJob *job, const PmConvBlock *block, int dy, int dx, const float *w, gsize w_stride, gboolean adds)
{
  const PmConv *op = job->op;
  int           C = op->x.channels, N = op->y.channels;
  int           n_runs = op->stride == 1 ? 1 : block->rows; /* products: rows of places are evenly spaced only at stride 1 */
  int           M = op->stride == 1 ? (block->rows - 1) * block->pitch + block->cols : block->cols;

  for (int r = 0; r < n_runs; r++)
    {
      const float *a = block->input + ((gsize) (r * op->stride + dy) * block->pitch + dx) * C;
      float       *tile = block->tile + (gsize) r * block->tile_pitch * N;
      (adds ? pm_cpu_gemm_nt_add : pm_cpu_gemm_nt) (M, N, C, a, (gsize) op->stride * C, w, w_stride, tile, N);
    }
}

/* The tile with its bias to y; phase (py, px) of a doubled picture. */
static void
store (const PmConvJob *job, const PmConvBlock *block, int py, int px)
{
  const PmConv     *op = job->op;
  const PmFeatures *y = &op->y;
  int               N = y->channels, step = op->is_doubled ? 2 : 1;

  for (int r = 0; r < block->rows; r++)
    for (int c = 0; c < block->cols; c++)
      {
        const float *from = block->tile + ((gsize) r * block->tile_pitch + c) * N;
        gsize        pixel = (gsize) ((block->row + r) * step + py) * y->width + (block->col + c) * step + px;
        float       *to = (float *) y->data + pixel * y->stride;
        if (y->dtype == PM_DTYPE_F32)
          {
            pm_cpu_epilogue_row (PM_ACTIVATION_NONE, N, from, job->bias, NULL, op->adds ? to : NULL, to);
            continue;
          }
        if (op->adds)
          pm_features_read (y, pixel, N, block->line + N);
        pm_cpu_epilogue_row (PM_ACTIVATION_NONE, N, from, job->bias, NULL, op->adds ? block->line + N : NULL, block->line);
        pm_features_write (y, pixel, N, block->line);
      }
}

static void
conv_task_cb (int task, int worker, gpointer data)
{
  PmConvJob    *job = data;
  const PmConv *op = job->op;
  int           C = op->x.channels, N = op->y.channels;
  int           n_phases = op->is_doubled ? 4 : 1, reach = op->is_doubled ? 2 : op->side;
  PmConvBlock   block = { .row = (job->first_task + task) / job->n_across * job->rows,
                          .col = (job->first_task + task) % job->n_across * job->cols };

  block.rows = MIN (job->rows, job->height - block.row);
  block.cols = MIN (job->cols, job->width - block.col);
  block.pitch = (block.cols - 1) * op->stride + job->side;
  block.tile_pitch = op->stride == 1 ? block.pitch : block.cols;
  gsize n_input = (gsize) ((block.rows - 1) * op->stride + job->side) * block.pitch * C;
  gsize n_tile = (gsize) block.rows * block.tile_pitch * N;
  block.input = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_GATHER, n_input);
  block.tile = pm_cpu_scratch (job->backend, worker, PM_SCRATCH_TILE, n_tile + 2 * N);
  if (! block.input || ! block.tile)
    return;
  block.line = block.tile + n_tile;

  gather (job, &block);
  for (int phase = 0; phase < n_phases; phase++)
    {
      const float *w = (const float *) op->w->data + (gsize) phase * reach * reach * C;
      int          py = phase / 2, px = phase % 2;
      for (int k = 0; k < reach * reach; k++, w += C)
        multiply (job, &block, k / reach + py, k % reach + px, w, (gsize) n_phases * reach * reach * C, k > 0);
      store (job, &block, py, px);
    }
}

/* Blocks as large as the cache likes, but enough of them to keep every processor busy. */
static int
cut (PmConvJob *job)
{
  const PmConv *op = job->op;
  int           n_workers = (int) CLAMP (sysconf (_SC_NPROCESSORS_CONF), 2, PM_POOL_MAX_WORKERS);
  int           most = CLAMP (BLOCK_FLOATS / MAX (op->x.channels, op->y.channels), LEAST_PIXELS, BLOCK_PIXELS);
  gsize         share = (gsize) job->height * job->width / (2 * n_workers);
  int           pixels = (int) CLAMP (share, LEAST_PIXELS, (gsize) most);

  job->cols = MIN (BLOCK_COLS, job->width);
  job->rows = CLAMP (pixels / job->cols, 1, job->height);
  job->n_across = (job->width + job->cols - 1) / job->cols;
  return job->n_across * ((job->height + job->rows - 1) / job->rows);
}

/* Rows of blocks that touch no more mapped bytes than a band; all when nothing is mapped. Blocks are the same either way. */
static int
band_rows (const PmConvJob *job)
{
  const PmConv *op = job->op;
  gsize         band = MAX (op->x.band, op->y.band), bytes = 0;
  int           n_rows = (job->height + job->rows - 1) / job->rows;

  if (op->x.band)
    bytes += pm_features_bytes (&op->x, job->rows * op->stride);
  if (op->y.band && op->y.data != op->x.data)
    bytes += pm_features_bytes (&op->y, job->rows * (op->is_doubled ? 2 : 1));
  return bytes == 0 ? n_rows : (int) CLAMP (band / bytes, 1, (gsize) n_rows);
}

static void
run_bands (PmConvJob *job, int n_tasks)
{
  const PmConv *op = job->op;
  int           rows = band_rows (job), step = op->is_doubled ? 2 : 1;

  for (; job->first_task < n_tasks; job->first_task += rows * job->n_across)
    {
      gint64 first = (gint64) job->first_task / job->n_across * job->rows, n = (gint64) rows * job->rows;
      pm_pool_run (pm_backend_get_pool (job->backend), MIN (rows * job->n_across, n_tasks - job->first_task), conv_task_cb, job);
      pm_features_release (&op->x, first * op->stride - op->pad, n * op->stride + job->side);
      pm_features_release (&op->y, first * step, n * step);
    }
}

void
pm_cpu_conv (PmBackend *backend, const PmConv *op)
{
  const PmFeatures *places = op->is_doubled ? &op->x : &op->y;
  PmConvJob         job = { .backend = backend, .op = op, .height = places->height, .width = places->width,
                            .side = op->is_doubled ? 3 : op->side };

  g_assert (op->w->dtype == PM_DTYPE_F32 && (! op->is_doubled || (op->side == 3 && op->stride == 1 && op->pad == 1)));
  if (op->bias)
    {
      job.bias = pm_cpu_scratch (backend, 0, PM_SCRATCH_SHARED, op->y.channels);
      if (! job.bias)
        return;
      pm_convert_to_f32 (op->bias->data, op->bias->dtype, op->y.channels, job.bias);
    }
  run_bands (&job, cut (&job));
}
