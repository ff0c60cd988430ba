// Scanners: what a spam or virus scanner says of one message. Away or too slow is `available == false`, never "clean".
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sluice::backends {

// The message as the MTA will deliver it, with what the scanner may want to know of the session.
struct ScanRequest {
  std::string message;  // CRLF line ends, Received line of this hop on top
  std::string client_ip, client_name, helo, sender, login, queue_id, mta_name;
  std::vector<std::string> recipients;
};

struct SpamAnswer {
  bool available = false;
  double score = 0;
  std::string action;               // rspamd's word; empty for spamd
  std::vector<std::string> symbols;
};
struct VirusAnswer {
  bool available = false;
  std::optional<std::string> name;  // none: nothing found
};

// Threads: any; `done` exactly once, by `deadline` at the latest.
class SpamScanner {
 public:
  virtual ~SpamScanner() = default;
  virtual void scan(std::shared_ptr<const ScanRequest> request, TimePoint deadline, std::function<void(SpamAnswer)> done) = 0;
};
class VirusScanner {
 public:
  virtual ~VirusScanner() = default;
  virtual void scan(std::shared_ptr<const ScanRequest> request, TimePoint deadline, std::function<void(VirusAnswer)> done) = 0;
};

}  // namespace sluice::backends
