#include "tests/comfysim/paint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/comfysim/digest.h"

namespace comfysim {
namespace {

using Colour = std::array<double, 3>;

constexpr int kHills = 5;

Colour mix(const Colour& a, const Colour& b, double share) {
  return {a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share};
}

// Hue in turns, saturation and lightness 0..1; result 0..255.
Colour from_hsl(double hue, double saturation, double lightness) {
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue * 12.0 + 24.0, 12.0);
    const double a = saturation * std::min(lightness, 1.0 - lightness);
    return 255.0 * (lightness - a * std::max(-1.0, std::min({k - 3.0, 9.0 - k, 1.0})));
  };
  return {channel(0), channel(8), channel(4)};
}

// One range of hills: its height (0 top .. 1 bottom) over each column.
std::vector<double> ridge(Random& random, int width, double base, double roughness) {
  std::vector<double> out(static_cast<std::size_t>(width), base);
  double frequency = random.between(1.0, 2.2);
  double amplitude = roughness;
  for (int octave = 0; octave < 5; ++octave) {
    const double phase = random.between(0.0, 2.0 * std::numbers::pi);
    for (int x = 0; x < width; ++x) {
      const double angle = 2.0 * std::numbers::pi * frequency * x / width + phase;
      out[static_cast<std::size_t>(x)] += amplitude * std::sin(angle);
    }
    frequency *= random.between(1.7, 2.3);
    amplitude *= 0.48;
  }
  return out;
}

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
}

}  // namespace

Picture paint(const Scene& scene, int width, int height, int index, double clarity) {
  const std::string recipe = std::to_string(scene.seed) + '\n' + scene.positive + '\n' + scene.negative + '\n' +
                             scene.settings + '\n' + std::to_string(index);
  Random random(hash64(recipe));
  // The prompt alone chooses the palette, so pictures of one prompt are of one family.
  Random palette(hash64(scene.positive));
  const double hue = palette.unit();
  const double accent = hue + palette.between(0.35, 0.65);
  const bool night = palette.unit() < 0.3;
  const Colour top = from_hsl(hue, 0.55, night ? 0.10 : 0.42);
  const Colour horizon = from_hsl(accent, 0.75, night ? 0.45 : 0.80);
  const Colour near = from_hsl(hue + 0.08, 0.45, 0.10);
  const Colour light = from_hsl(accent + 0.05, 0.9, night ? 0.88 : 0.93);

  const double sun_x = random.between(0.15, 0.85) * width;
  const double sun_y = random.between(0.15, 0.5) * height;
  const double sun_radius = random.between(0.05, 0.12) * std::min(width, height);
  std::vector<std::vector<double>> hills;
  hills.reserve(kHills);
  for (int i = 0; i < kHills; ++i) {
    hills.push_back(ridge(random, width, 0.48 + 0.11 * i, random.between(0.03, 0.09) * (1.0 - 0.1 * i)));
  }

  Picture out(width, height);
  Random noise(random.next());
  for (int y = 0; y < height; ++y) {
    const double down = height > 1 ? static_cast<double>(y) / (height - 1) : 0.0;
    for (int x = 0; x < width; ++x) {
      const double distance = std::hypot(x - sun_x, y - sun_y);
      Colour colour = mix(top, horizon, std::min(1.0, down * 1.5));
      colour = mix(colour, light, 0.55 * std::exp(-distance / (sun_radius * 3.0)));
      colour = mix(colour, light, std::clamp(sun_radius - distance, 0.0, 1.0));
      for (int i = 0; i < kHills; ++i) {
        const double line = hills[static_cast<std::size_t>(i)][static_cast<std::size_t>(x)];
        if (down < line) continue;
        const Colour hill = mix(horizon, near, (i + 1.0) / kHills);
        colour = mix(mix(hill, horizon, 0.25 * (1.0 - i / (kHills - 1.0))), hill, std::min(1.0, (down - line) * 6.0));
      }
      if (clarity < 1.0) {
        const Colour grain = {255.0 * noise.unit(), 255.0 * noise.unit(), 255.0 * noise.unit()};
        colour = mix(grain, colour, clarity);
      }
      std::uint8_t* pixel = out.pixel(x, y);
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = to_byte(colour[c]);
    }
  }
  return out;
}

}  // namespace comfysim
