// The callout of the service, as the section `callout` of the configuration wants it.
#pragma once
#include <memory>

#include "app/config.h"
#include "backends/smtp_callout.h"

namespace sluice::app {

// Null without the section. loop, dns and clock outlive it.
std::unique_ptr<backends::SmtpCallout> open_callout(const ServiceConfig& config,
                                                    backends::EventLoop& loop,
                                                    backends::DnsResolver& dns, const Clock& clock);

}  // namespace sluice::app
