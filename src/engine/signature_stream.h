// SignatureStream: the signatures of each message of a session, fed while it comes.
//
// Threads: the session's.
#pragma once
#include <optional>

#include "engine/content_stream.h"
#include "engine/session_facts.h"
#include "facts/message_signatures.h"

namespace sluice::engine {

class SignatureStream final : public ContentStream {
 public:
  void begin(const SessionFacts& known, TimePoint) override { signatures_.emplace(*known.message); }
  void body(std::string_view chunk) override {
    if (signatures_) signatures_->body(chunk);
  }
  void end() override {
    if (signatures_) signatures_->end();
  }
  void drop() override { signatures_.reset(); }
  // From the end of the header on; null between messages.
  facts::MessageSignatures* signatures() { return signatures_ ? &*signatures_ : nullptr; }

 private:
  std::optional<facts::MessageSignatures> signatures_;
};

}  // namespace sluice::engine
