/* The table of positions that networks without a learned one add to their patches. */
#ifndef PM_NN_POSITION_H
#define PM_NN_POSITION_H

/* table [grid_h * grid_w, D], row-major over the grid; D divisible by 4. The first half of the channels encodes the column x, the
 * second the row y; each half is all sines, then all cosines, of x 10000^(-k / (D / 4)), in f64 and rounded once. Coordinates
 * are x / (grid_w / base) / scale, y / (grid_h / base) / scale in f32: any grid spans what one of `base` tokens spanned in
 * training. base 0: x and y as they are.
 * Sources: facebookresearch/mae, util/pos_embed.py, get_2d_sincos_pos_embed, which DiT and diffusers follow; PixArt-alpha,
 * diffusion/model/nets/PixArt.py, the function of the same name. */
void pm_nn_position_sincos (int grid_w, int grid_h, double base, double scale, int D, float *table);

#endif
