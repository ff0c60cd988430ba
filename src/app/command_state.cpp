#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/config.h"
#include "app/open_store.h"
#include "app/service.h"
#include "backends/state_transfer.h"

namespace sluice::app {
namespace {

using backends::TransferCounts;

constexpr std::chrono::milliseconds kShowEvery{200};

}  // namespace

int state_import_command(const StateImportOptions& options, std::ostream& out, std::ostream& err) {
  Diagnostics diagnostics;
  const ServiceConfig config =
      load_config(options.config.empty() ? kDefaultConfig : options.config, diagnostics);
  err << diagnostics.render();
  if (!diagnostics.ok()) return kConfig;
  if (config.store != "redis") {
    err << "sluice: the configuration says store: " << config.store
        << "; say store: redis first, this moves the embedded state there\n";
    return kConfig;
  }
  const auto store = open_redis_store(config);
  if (!store) {
    err << "sluice: " << store.error().what << "\n";
    return kConfig;
  }
  SystemClock clock;
  const bool shows = ::isatty(STDERR_FILENO) != 0 && !options.json;
  auto next = std::chrono::steady_clock::now();
  const auto moved = backends::transfer_state(
      options.from.empty() ? config.state : options.from, clock, **store,
      [&](const TransferCounts& so_far) {
        if (!shows || std::chrono::steady_clock::now() < next) return;
        next = std::chrono::steady_clock::now() + kShowEvery;
        err << fmt::format("\r{} entries read, {} now in redis", so_far.read, so_far.taken)
            << std::flush;
      });
  if (shows) err << "\r\033[K";
  if (!moved) {
    err << "sluice: " << moved.error().what << "\n";
    return moved.error().cause == Cause::Config ? kConfig : kTemporary;
  }
  if (options.json)
    out << nlohmann::json{{"read", moved->read}, {"taken", moved->taken}, {"known", moved->known}}
               .dump(2)
        << "\n";
  else
    out << fmt::format("{} entries read, {} now in redis, {} it knew already\n", moved->read,
                       moved->taken, moved->known);
  return kOk;
}

}  // namespace sluice::app
