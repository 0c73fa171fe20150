// The blending kernels of taichi_gs/kernels/tile_*.py in plain C: what a compiler's own vectoriser makes of them.
//
// The same tiles, formulas and polynomial, in single precision; see taichi_gs/kernels/blend.py for the terms. All pixels
// of the rows that a Gaussian reaches, and not only those of the strips that it reaches: in plain C, that is slower.
// Compiled by blend_twin.py, which passes NORMALIZED (0 or 1) and the constants of the blending.

#include <math.h>
#include <stdint.h>
#include <string.h>

#define TILE 16
#define NUM_PIXELS (TILE * TILE)
#define NUM_GRADS 9
#define LN2 0.6931471805599453f

static inline float exp2_of(float x) {
    int32_t whole = (int32_t)x;
    float f = x - (float)whole, f2 = f * f;
    float high = 0.009209180357198386f + 0.0009468770291101538f * f;
    float middle = 0.24017895627762828f + 0.05529811967633446f * f;
    float low = 0.9999999438867431f + 0.693143134641113f * f;
    int32_t bits = (whole + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return (low + f2 * (middle + f2 * high)) * power;
}

static inline float weight_of(float power) {
#if NORMALIZED
    const float lowest = LOG2_CUTOFF - LOG2_UNIT;
    power -= LOG2_UNIT;
    return exp2_of(fmaxf(power, lowest)) - CUTOFF;
#else
    // By its bits, and not by a choice, of which gcc makes a branch.
    float weight = exp2_of(fmaxf(power, -126.0f));
    int32_t bits;
    memcpy(&bits, &weight, sizeof bits);
    bits &= -(int32_t)(power >= LOG2_CUTOFF);
    memcpy(&weight, &bits, sizeof weight);
    return weight;
#endif
}

static inline int first_row(float y0, float extent) {
    int row = (int)ceilf(-extent - y0);
    return row > 0 ? row : 0;
}

static inline int last_row(float y0, float extent) {
    int row = (int)floorf(extent - y0);
    return row < TILE - 1 ? row : TILE - 1;
}

// Draw an image [planes, height, width], both sides whole tiles; the other arguments as in blend.py.
void forward(const float *restrict means, const float *restrict conics, const float *restrict extents,
             const float *restrict colors, const float *restrict background, const int32_t *restrict tile_offsets,
             const int32_t *restrict tile_indices, float *restrict image, int height, int width) {
    const int tiles_x = width / TILE, num_tiles = tiles_x * (height / TILE);
    const long plane = (long)height * width;
#pragma omp parallel for schedule(dynamic, 4)
    for (int tile = 0; tile < num_tiles; tile++) {
        const int left = tile % tiles_x * TILE, top = tile / tiles_x * TILE;
        float state[NUM_PIXELS], red[NUM_PIXELS] = {0}, green[NUM_PIXELS] = {0}, blue[NUM_PIXELS] = {0};
        for (int j = 0; j < NUM_PIXELS; j++) state[j] = FIRST_STATE;
        for (int pair = tile_offsets[tile]; pair < tile_offsets[tile + 1]; pair++) {
            const int i = tile_indices[pair];
            const float a = conics[4 * i], b = conics[4 * i + 1], c = conics[4 * i + 2], l = conics[4 * i + 3];
            const float r = colors[3 * i], g = colors[3 * i + 1], bl = colors[3 * i + 2];
            const float x0 = left + 0.5f - means[2 * i], y0 = top + 0.5f - means[2 * i + 1];
            const int last = last_row(y0, extents[2 * i + 1]);
            for (int y = first_row(y0, extents[2 * i + 1]); y <= last; y++) {
                const float dy = y0 + y, linear = b * dy, constant = l - c * dy * (c * dy);
                float *s = state + y * TILE, *pr = red + y * TILE, *pg = green + y * TILE, *pb = blue + y * TILE;
                for (int x = 0; x < TILE; x++) {
                    const float along = a * (x0 + x) + linear;
                    float weight = weight_of(constant - along * along);
#if NORMALIZED
                    s[x] += weight;
#else
                    weight *= s[x];
                    s[x] -= weight;
#endif
                    pr[x] += weight * r;
                    pg[x] += weight * g;
                    pb[x] += weight * bl;
                }
            }
        }
        for (int y = 0; y < TILE; y++) {
            for (int x = 0; x < TILE; x++) {
                const int j = y * TILE + x;
                const long p = (long)(top + y) * width + left + x;
#if NORMALIZED
                const float rest = FIRST_STATE, scale = 1.0f / state[j];
                image[3 * plane + p] = scale;
#else
                const float rest = state[j], scale = 1.0f;
#endif
                image[p] = (red[j] + rest * background[0]) * scale;
                image[plane + p] = (green[j] + rest * background[1]) * scale;
                image[2 * plane + p] = (blue[j] + rest * background[2]) * scale;
            }
        }
    }
}

// The gradients of an image that `forward` drew: grad_pairs [P, 9] and grad_backgrounds [3, tiles].
void backward(const float *restrict means, const float *restrict conics, const float *restrict extents,
              const float *restrict colors, const int32_t *restrict tile_offsets, const int32_t *restrict tile_indices,
              const float *restrict image, const float *restrict grad_image, float *restrict grad_pairs,
              float *restrict grad_backgrounds, int height, int width) {
    const int tiles_x = width / TILE, num_tiles = tiles_x * (height / TILE);
    const long plane = (long)height * width;
#pragma omp parallel for schedule(dynamic, 4)
    for (int tile = 0; tile < num_tiles; tile++) {
        const int left = tile % tiles_x * TILE, top = tile / tiles_x * TILE;
        float rest[NUM_PIXELS], red[NUM_PIXELS], green[NUM_PIXELS], blue[NUM_PIXELS], behind[NUM_PIXELS];
        for (int y = 0; y < TILE; y++) {
            for (int x = 0; x < TILE; x++) {
                const int j = y * TILE + x;
                const long p = (long)(top + y) * width + left + x;
#if NORMALIZED
                const float scale = image[3 * plane + p];
#else
                const float scale = 1.0f;
#endif
                rest[j] = FIRST_STATE;
                red[j] = grad_image[p] * scale;
                green[j] = grad_image[plane + p] * scale;
                blue[j] = grad_image[2 * plane + p] * scale;
                behind[j] = red[j] * image[p] + green[j] * image[plane + p] + blue[j] * image[2 * plane + p];
            }
        }
        for (int pair = tile_offsets[tile]; pair < tile_offsets[tile + 1]; pair++) {
            const int i = tile_indices[pair];
            const float a = conics[4 * i], b = conics[4 * i + 1], c = conics[4 * i + 2], l = conics[4 * i + 3];
            const float r = colors[3 * i], g = colors[3 * i + 1], bl = colors[3 * i + 2];
            const float x0 = left + 0.5f - means[2 * i], y0 = top + 0.5f - means[2 * i + 1];
            const int last = last_row(y0, extents[2 * i + 1]);
            float v_1[TILE] = {0}, v_y[TILE] = {0}, v_yy[TILE] = {0}, w_r[TILE] = {0}, w_g[TILE] = {0}, w_b[TILE] = {0};
            for (int y = first_row(y0, extents[2 * i + 1]); y <= last; y++) {
                const float dy = y0 + y, linear = b * dy, constant = l - c * dy * (c * dy);
                const float *pr = red + y * TILE, *pg = green + y * TILE, *pb = blue + y * TILE;
                float *pbehind = behind + y * TILE;
                for (int x = 0; x < TILE; x++) {
                    const float along = a * (x0 + x) + linear;
                    float weight = weight_of(constant - along * along);
                    float v = pr[x] * r + pg[x] * g + pb[x] * bl;
#if NORMALIZED
                    v = (weight > 0.0f ? weight + CUTOFF : 0.0f) * (v - pbehind[x]);
#else
                    const float alpha = weight;
                    weight *= rest[y * TILE + x];
                    v *= weight;
                    pbehind[x] -= v;
                    rest[y * TILE + x] -= weight;
                    v -= alpha / (1.0f - alpha) * pbehind[x];
#endif
                    v_1[x] += v;
                    v_y[x] += v * dy;
                    v_yy[x] += v * dy * dy;
                    w_r[x] += weight * pr[x];
                    w_g[x] += weight * pg[x];
                    w_b[x] += weight * pb[x];
                }
            }
            float m[6] = {0}, sums[3] = {0};
            for (int x = 0; x < TILE; x++) {
                const float dx = x0 + x;
                m[0] += v_1[x];
                m[1] += v_1[x] * dx;
                m[2] += v_y[x];
                m[3] += v_1[x] * dx * dx;
                m[4] += v_y[x] * dx;
                m[5] += v_yy[x];
                sums[0] += w_r[x];
                sums[1] += w_g[x];
                sums[2] += w_b[x];
            }
            const float shift = a * m[1] + b * m[2];
            float *grads = grad_pairs + (long)pair * NUM_GRADS;
            grads[0] = 2.0f * LN2 * a * shift;
            grads[1] = 2.0f * LN2 * (b * shift + c * c * m[2]);
            grads[2] = -2.0f * LN2 * (a * m[3] + b * m[4]);
            grads[3] = -2.0f * LN2 * (a * m[4] + b * m[5]);
            grads[4] = -2.0f * LN2 * c * m[5];
            grads[5] = LN2 * m[0];
            for (int channel = 0; channel < 3; channel++) grads[6 + channel] = sums[channel];
        }
        float total[3] = {0};
        for (int j = 0; j < NUM_PIXELS; j++) {
            total[0] += rest[j] * red[j];
            total[1] += rest[j] * green[j];
            total[2] += rest[j] * blue[j];
        }
        for (int channel = 0; channel < 3; channel++) grad_backgrounds[channel * num_tiles + tile] = total[channel];
    }
}
