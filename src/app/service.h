// Service: what `sluice run` is made of: the policy of the moment, the backends, the front end, the
// control socket. Everything that shows only at start (a broken policy, a busy socket) is an Error
// with its sysexits code; once it runs, only SIGTERM ends it.
#pragma once
#include <memory>
#include <string>

#include "app/config.h"
#include "base/result.h"

namespace sluice::app {

// sysexits.h, as far as Sluice uses them.
enum Exit : int {
  kOk = 0,
  kUsage = 64,
  kTestFailed = 65,
  kNoInput = 66,
  kUnavailable = 69,
  kInternal = 70,
  kTemporary = 75,
  kConfig = 78
};

// Runs until SIGTERM or SIGINT; returns the exit code. `config_diagnostics` were already printed.
int run_service(const ServiceConfig& config);

}  // namespace sluice::app
