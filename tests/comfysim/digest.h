// Hashes, ids and a small reproducible random generator.
#ifndef RENDERYARD_TESTS_COMFYSIM_DIGEST_H_
#define RENDERYARD_TESTS_COMFYSIM_DIGEST_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace comfysim {

// SHA-256 in lowercase hex.
std::string sha256_hex(std::string_view bytes);

// The first 8 bytes of SHA-256 as a number: a seed from a text.
std::uint64_t hash64(std::string_view bytes);

// A random (version 4) UUID, canonical lowercase hyphenated form.
std::string make_uuid();

// A UUID in the only form 0.25.0 and later accept as prompt_id: canonical, lowercase, hyphenated.
bool is_canonical_uuid(std::string_view text);

// splitmix64: reproducible from its seed. Not thread-safe.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double between(double low, double high) { return low + (high - low) * unit(); }

 private:
  std::uint64_t state_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_DIGEST_H_
