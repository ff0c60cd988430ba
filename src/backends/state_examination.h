// Whether a start would take the embedded state as it lies there. Looks only: nothing is made, changed
// or left behind.
#pragma once
#include <filesystem>

#include "base/result.h"

namespace sluice::backends {

// Reads every row, as a start does. Error{Config}: state.db in `folder` is damaged or written by a newer
// version. No error for what is not there, may not be read, or is in use: its service has read it.
Result<void> examine_state(const std::filesystem::path& folder);

}  // namespace sluice::backends
