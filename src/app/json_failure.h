// For commands with --json: a failure is JSON on standard output too, {"error": "…"}.
#pragma once
#include <functional>
#include <iosfwd>

namespace sluice::app {

// Runs a command that prints nothing to `out` when it fails. What it says to its error stream goes to
// `err` as it comes; of a failure it is the text of the JSON, up to 64 KiB.
int with_json_failure(bool json, std::ostream& out, std::ostream& err,
                      const std::function<int(std::ostream& err)>& run);

}  // namespace sluice::app
