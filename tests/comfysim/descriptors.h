// How many files and sockets this process may have open.
#ifndef RENDERYARD_TESTS_COMFYSIM_DESCRIPTORS_H_
#define RENDERYARD_TESTS_COMFYSIM_DESCRIPTORS_H_

#include <cstddef>

namespace comfysim {

// What `instances` servers need: each its listener, its ledger and some connections, and a reserve for all.
std::size_t descriptors_for(std::size_t instances);

// Raises the soft limit (RLIMIT_NOFILE) to `needed` when it is below. Throws std::runtime_error, which names the need,
// the present hard limit and what to do, when the hard limit is too low.
void ensure_descriptors(std::size_t needed);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_DESCRIPTORS_H_
