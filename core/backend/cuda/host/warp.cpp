/* What a warp does together, once all its lanes have come: shuffles, ballots, and the products and loads of fragments by the
 * layouts that PTX documents (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and "ldmatrix"), so that
 * a kernel with another idea of them gives wrong numbers here too. */
#include "host.h"
#include "toolchain.h"

void
pm_host_shuffle (unsigned mask, const void *const *in, void *const *out)
{
  for (int i = 0; i < 32; i++)
    if (in[i])
      {
        int source = ((const PmHostShuffle *) in[i])->source;
        if (source < 0 || source >= 32 || ! in[source])
          pm_host_fail ("a shuffle reads from a lane that its mask leaves out");
        *(uint64_t *) out[i] = ((const PmHostShuffle *) in[source])->value;
      }
}

void
pm_host_ballot (unsigned mask, const void *const *in, void *const *out)
{
  unsigned votes = 0;
  for (int i = 0; i < 32; i++)
    votes |= in[i] && *(const int *) in[i] ? 1u << i : 0;
  for (int i = 0; i < 32; i++)
    if (out[i])
      *(unsigned *) out[i] = votes;
}

void
pm_host_meet (unsigned mask, const void *const *in, void *const *out)
{
}

/* Element `at` (0 or 1) of a register. */
template <typename T>
static float
element (uint32_t bits, int at)
{
  T value;
  value.bits = (uint16_t) (bits >> 16 * at);
  return pm_host_widen (value);
}

template <typename T>
static void
multiply (const void *const *in)
{
  float a[16][16], b[8][16], c[16][8];

  for (int lane = 0; lane < 32; lane++)
    {
      const PmHostMma *mine = (const PmHostMma *) in[lane];
      int              group = lane / 4, pair = lane % 4 * 2;
      for (int i = 0; i < 8; i++)
        a[group + (i / 2 % 2) * 8][pair + i % 2 + i / 4 * 8] = element<T> (mine->a[i / 2], i % 2);
      for (int i = 0; i < 4; i++)
        b[group][pair + i % 2 + i / 2 * 8] = element<T> (mine->b[i / 2], i % 2);
      for (int i = 0; i < 4; i++)
        c[group + i / 2 * 8][pair + i % 2] = mine->c[i];
    }
  for (int row = 0; row < 16; row++)
    for (int column = 0; column < 8; column++)
      {
        float sum = 0;
        for (int k = 0; k < 16; k++)
          sum += a[row][k] * b[column][k];
        c[row][column] += sum;
      }
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++)
      ((const PmHostMma *) in[lane])->c[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

void
pm_host_mma_half (unsigned mask, const void *const *in, void *const *out)
{
  multiply<__half> (in);
}

void
pm_host_mma_bfloat (unsigned mask, const void *const *in, void *const *out)
{
  multiply<__nv_bfloat16> (in);
}

/* Lane l names row l % 8 of matrix l / 8; register m of lane l gets two neighbours of row l / 4 of matrix m, or, transposed,
 * of column l / 4. */
static void
load (int n_matrices, bool is_transposed, const void *const *in, void *const *out)
{
  uint16_t values[4][8][8];

  for (int i = 0; i < n_matrices * 8; i++)
    {
      if ((uintptr_t) in[i] % 16 != 0)
        pm_host_fail ("ldmatrix reads from an address that is not aligned to 16 bytes");
      memcpy (values[i / 8][i % 8], in[i], 16);
    }
  for (int lane = 0; lane < 32; lane++)
    for (int m = 0; m < n_matrices; m++)
      {
        int      row = lane / 4, first = lane % 4 * 2;
        uint32_t low = is_transposed ? values[m][first][row] : values[m][row][first];
        uint32_t high = is_transposed ? values[m][first + 1][row] : values[m][row][first + 1];
        ((uint32_t *) out[lane])[m] = low | high << 16;
      }
}

void
pm_host_ldmatrix_x2 (unsigned mask, const void *const *in, void *const *out)
{
  load (2, false, in, out);
}

void
pm_host_ldmatrix_x4 (unsigned mask, const void *const *in, void *const *out)
{
  load (4, false, in, out);
}

void
pm_host_ldmatrix_x2_trans (unsigned mask, const void *const *in, void *const *out)
{
  load (2, true, in, out);
}

void
pm_host_ldmatrix_x4_trans (unsigned mask, const void *const *in, void *const *out)
{
  load (4, true, in, out);
}
