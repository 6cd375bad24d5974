/* Private to core/export: the letters of the sheets, drawn for this project as strokes.
 *
 * A glyph is its width, then strokes after spaces. A stroke is points of two characters: x as 0-9 A-Z, y as a letter, e the
 * baseline, o the height of small letters, s of capitals, a the lowest. Without a mark it is a line from point to point;
 * with ~ a quadratic B-spline from the first to the last point, with @ a closed one, through the middles between their
 * control points. One point twice is a dot. */
#ifndef PM_GLYPHS_H
#define PM_GLYPHS_H

#define PM_GLYPH_FIRST ' '
#define PM_GLYPH_CAPITAL 14 /* units from the baseline to the top of capitals */
#define PM_GLYPH_SPACING 4  /* units between glyphs */

static const char *const pm_glyphs[] = {
  "4",                                     /* space */
  "0 0s0i 0e0e",                           /* ! */
  "3 0s0o 3s3o",                           /* " */
  "8 2e3s 5e6s 0i8i 0n8n",                 /* # */
  "8 ~8p8r0r0l8l8f0f0h 4u4c",              /* $ */
  "B @0s4s4m0m @7kBkBe7e 2e9s",            /* % */
  "9 ~9e1o1s6s6n0j0e6e9j",                 /* & */
  "0 0s0o",                                /* ' */
  "3 ~3t0q0g3c",                           /* ( */
  "3 ~0t3q3g0c",                           /* ) */
  "6 3s3m 0r6n 0n6r",                      /* * */
  "8 0k8k 4g4o",                           /* + */
  "1 1f1e0b",                              /* , */
  "5 0j5j",                                /* - */
  "0 0e0e",                                /* . */
  "5 0c5s",                                /* / */
  "8 @0s8s8m8g8e0e0g0m",                   /* 0 */
  "4 0p4s4e",                              /* 1 */
  "8 ~0o0s8s8m0e 0e8e",                    /* 2 */
  "8 ~0q0s8s8l3l ~3l8l8e0e0h",             /* 3 */
  "8 6e6s0i8i",                            /* 4 */
  "8 7s1s0l ~0l2n8n8e0e0g",                /* 5 */
  "8 ~7s2r0n0i @0n8n8e0e",                 /* 6 */
  "8 0s8s3e",                              /* 7 */
  "8 @1s7s7l1l @0l8l8e0e",                 /* 8 */
  "8 @0s8s8j0j ~1e6f8j8o",                 /* 9 */
  "0 0e0e 0n0n",                           /* : */
  "1 1f1e0b 1n1n",                         /* ; */
  "7 7p0k7f",                              /* < */
  "8 0m8m 0i8i",                           /* = */
  "7 0p7k0f",                              /* > */
  "7 ~0p0s7s7m3l3i 3e3e",                  /* ? */
  "C @0sCsCc0c @4n9n9g4g 9n9g",            /* @ */
  "8 0e4s8e 1i7i",                         /* A */
  "8 0e0s ~0s4s7s7l4l0l ~0l5l8l8e5e0e",    /* B */
  "8 ~8p8s0s0e8e8h",                       /* C */
  "8 0e0s ~0s3s8s8e3e0e",                  /* D */
  "7 7s0s0e7e 0l6l",                       /* E */
  "7 7s0s0e 0l6l",                         /* F */
  "8 ~8p8s0s0e8e8h 8h8k5k",                /* G */
  "8 0s0e 8s8e 0l8l",                      /* H */
  "0 0s0e",                                /* I */
  "6 ~6s6i6e0e0h",                         /* J */
  "8 0s0e 8s0j 3m8e",                      /* K */
  "7 0s0e7e",                              /* L */
  "A 0e0s5gAsAe",                          /* M */
  "8 0e0s8e8s",                            /* N */
  "9 @0s9s9e0e",                           /* O */
  "8 0e0s ~0s5s8s8k5k0k",                  /* P */
  "9 @0s9s9e0e 5h9d",                      /* Q */
  "8 0e0s ~0s5s8s8k5k0k 4k8e",             /* R */
  "8 ~8p8s0s0l8l8e0e0h",                   /* S */
  "8 0s8s 4s4e",                           /* T */
  "8 ~0s0i0e8e8i8s",                       /* U */
  "8 0s4e8s",                              /* V */
  "C 0s3e6s9eCs",                          /* W */
  "8 0s8e 8s0e",                           /* X */
  "8 0s4l8s 4l4e",                         /* Y */
  "8 0s8s0e8e",                            /* Z */
  "3 3t0t0c3c",                            /* [ */
  "5 0s5c",                                /* \ */
  "3 0t3t3c0c",                            /* ] */
  "6 0n3s6n",                              /* ^ */
  "8 0c8c",                                /* _ */
  "2 0s2p",                                /* ` */
  "7 @0o7o7e0e 7o7e",                      /* a */
  "7 0s0e @0o7o7e0e",                      /* b */
  "6 ~7m7o0o0e7e7g",                       /* c */
  "7 7s7e @0o7o7e0e",                      /* d */
  "7 0j7j ~7j7o0o0e7e7g",                  /* e */
  "5 ~5s2s2n2k 2k2e 0o5o",                 /* f */
  "7 @0o7o7e0e 7o7d ~7d7a0a0c",            /* g */
  "7 0s0e ~0j0o7o7j7e",                    /* h */
  "0 0o0e 0s0s",                           /* i */
  "3 ~3o3d3a0a 3s3s",                      /* j */
  "6 0s0e 6o0i 2k6e",                      /* k */
  "0 0s0e",                                /* l */
  "C 0o0e ~0j0o6o6j6e ~6j6oCoCjCe",        /* m */
  "7 0o0e ~0j0o7o7j7e",                    /* n */
  "7 @0o7o7e0e",                           /* o */
  "7 0o0a @0o7o7e0e",                      /* p */
  "7 7o7a @0o7o7e0e",                      /* q */
  "4 0o0e ~0j0o4o",                        /* r */
  "6 ~6m6o0o0j6j6e0e0g",                   /* s */
  "5 ~2r2h2e5e 0o5o",                      /* t */
  "7 ~0o0j0e7e7j 7o7e",                    /* u */
  "6 0o3e6o",                              /* v */
  "A 0o2e5o8eAo",                          /* w */
  "6 0o6e 6o0e",                           /* x */
  "6 0o3e 6o2a",                           /* y */
  "6 0o6o0e6e",                            /* z */
  "3 ~3t1t1l0k ~0k1k1c3c",                 /* { */
  "0 0t0b",                                /* | */
  "3 ~0t2t2l3k ~3k2k2c0c",                 /* } */
  "8 ~0j2n6g8k",                           /* ~ */
};

#endif
