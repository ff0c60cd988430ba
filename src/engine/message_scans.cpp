#include "engine/message_scans.h"

#include "engine/session_facts.h"

namespace sluice::engine {

void MessageScans::begin(const SessionFacts& known, TimePoint now) {
  drop();
  const auto envelope = make_scan_envelope(known);
  if (spam_scanner_ != nullptr) spam_ = spam_scanner_->begin(envelope);
  if (virus_scanner_ != nullptr) virus_ = virus_scanner_->begin(envelope);
  spam_reads_ = spam_ != nullptr;
  virus_reads_ = virus_ != nullptr;
  feed(received_field(known, now) + header_block(*known.message));
}

void MessageScans::feed(std::string bytes) {
  if (bytes.empty()) return;
  if (!virus_reads_) {
    if (spam_reads_) spam_reads_ = spam_->feed(std::move(bytes));
    return;
  }
  if (spam_reads_) spam_reads_ = spam_->feed(bytes);
  virus_reads_ = virus_->feed(std::move(bytes));
}

void MessageScans::body(std::string_view chunk) {
  if (spam_reads_ || virus_reads_) feed(crlf_.next(chunk));
}

void MessageScans::end() { feed(crlf_.end()); }

void MessageScans::drop() {
  spam_.reset();
  virus_.reset();
  spam_reads_ = virus_reads_ = false;
  crlf_ = CrlfText();
}

bool MessageScans::await_room(std::function<void()> wake) {
  return virus_reads_ && virus_->await_room(std::move(wake));
}

void MessageScans::ask_spam(TimePoint deadline, std::function<void(backends::SpamAnswer)> done) {
  if (!spam_) return done({});
  spam_->finish(deadline, std::move(done));
}

void MessageScans::ask_virus(TimePoint deadline, std::function<void(backends::VirusAnswer)> done) {
  if (!virus_) return done({});
  virus_->finish(deadline, std::move(done));
}

}  // namespace sluice::engine
