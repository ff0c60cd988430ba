// HeadedScanReply: a scanner's reply that is a HeadedReply; a function says what a complete one means.
#pragma once
#include <string>
#include <string_view>

#include "backends/headed_reply.h"
#include "backends/scan_protocol.h"

namespace sluice::backends {

class HeadedScanReply final : public ScanReply {
 public:
  using Meaning = Result<ScanFindings> (*)(const HeadedReply& complete);

  // scanner: its name, for errors; outlives the reply.
  HeadedScanReply(std::string_view scanner, std::size_t max_body, Meaning meaning)
      : scanner_(scanner), meaning_(meaning), reply_(max_body) {}

  Outcome feed(std::string_view bytes) override {
    return reply_.feed(bytes) == HeadedReply::State::Reading ? Outcome() : Outcome(outcome());
  }
  Result<ScanFindings> close() override {
    reply_.close();
    return outcome();
  }

 private:
  Result<ScanFindings> outcome() const {
    if (reply_.state() == HeadedReply::State::Broken)
      return temporary(std::string(scanner_) + "'s reply: " + reply_.why());
    return meaning_(reply_);
  }

  std::string_view scanner_;
  Meaning meaning_;
  HeadedReply reply_;
};

}  // namespace sluice::backends
