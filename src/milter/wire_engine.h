// The wire engine: the milter protocol on epoll, beside the libmilter adapter. A few threads serve
// all sessions; one that waits for DNS, a scanner or the store is parked and costs its memory only.
//
// What it does that libmilter cannot: several listening sockets, allow_from and allow_users before a
// word is said, a refusal at DATA at DATA, delays without a thread, an orderly end of its sessions.
#pragma once
#include <memory>

#include "milter/front_end.h"
#include "milter/reactor.h"

namespace sluice::milter {

struct WireOptions {
  bool failure_accepts = false;  // `failure: accept`
  std::size_t threads = 0;       // 0: by the machine
  std::uint32_t silent = wire::kSilentByDefault;  // no-reply flags to ask for
  wire::Patience patience;
};

std::unique_ptr<FrontEnd> make_wire_engine(WireOptions options);

}  // namespace sluice::milter
