// MessageScans: the message on its way to the site's scanners, while it comes: as the MTA will
// deliver it, with the Received field of this hop on top and CRLF line ends.
//
// Threads: the session's.
#pragma once
#include <functional>
#include <memory>

#include "backends/scanner.h"
#include "engine/content_stream.h"
#include "engine/message_text.h"

namespace sluice::engine {

class MessageScans final : public ContentStream {
 public:
  // Null: that scanner is not asked.
  MessageScans(backends::SpamScanner* spam, backends::VirusScanner* virus)
      : spam_scanner_(spam), virus_scanner_(virus) {}

  bool is_needed() const { return spam_scanner_ != nullptr || virus_scanner_ != nullptr; }
  // All of it has come: what does the scanner say? Unavailable when there is none, or nothing came.
  void ask_spam(TimePoint deadline, std::function<void(backends::SpamAnswer)> done);
  void ask_virus(TimePoint deadline, std::function<void(backends::VirusAnswer)> done);

  // --- ContentStream ---
  void begin(const SessionFacts& known, TimePoint now) override;
  void body(std::string_view chunk) override;
  void end() override;
  void drop() override;
  bool await_room(std::function<void()> wake) override;

 private:
  void feed(std::string bytes);

  backends::SpamScanner* spam_scanner_;
  backends::VirusScanner* virus_scanner_;
  std::unique_ptr<backends::SpamScan> spam_;
  std::unique_ptr<backends::VirusScan> virus_;
  bool spam_reads_ = false, virus_reads_ = false;
  CrlfText crlf_;
};

}  // namespace sluice::engine
