// What checks over the DNS (SPF, DKIM, DMARC, ARC) ask for answers. Such a check is pure: where an
// answer is not there yet it ends, and is called again later, from the start.
#pragma once
#include <string_view>

#include "backends/dns_resolver.h"
#include "facts/fact.h"

namespace sluice::facts {

class DnsAnswers {
 public:
  virtual ~DnsAnswers() = default;
  // nullptr: not there yet. The answer stays valid until the check returns.
  virtual const backends::DnsAnswer* ask(std::string_view name, backends::DnsType type) = 0;
};

// The answers that a fact's context gives.
class ContextAnswers final : public DnsAnswers {
 public:
  explicit ContextAnswers(FactContext& context) : context_(context) {}
  const backends::DnsAnswer* ask(std::string_view name, backends::DnsType type) override {
    return context_.dns(name, type);
  }

 private:
  FactContext& context_;
};

}  // namespace sluice::facts
