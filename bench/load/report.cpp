#include "load/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sluice::load {
namespace {

nlohmann::json quantiles(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"p50_us", histogram.quantile_us(0.50)},
          {"p90_us", histogram.quantile_us(0.90)},
          {"p99_us", histogram.quantile_us(0.99)},
          {"max_us", histogram.max_us()}};
}

std::string line(std::string_view name, const Histogram& histogram) {
  if (histogram.count() == 0) return {};
  return fmt::format("{:>8} {:>9} {:>9.0f} {:>9.0f} {:>9.0f} {:>9.0f}\n", name, histogram.count(),
                     histogram.quantile_us(0.50), histogram.quantile_us(0.90),
                     histogram.quantile_us(0.99), histogram.max_us());
}

nlohmann::json shares(const Report& report) {
  nlohmann::json list = nlohmann::json::array();
  for (const ProcessShare& share : report.processes)
    list.push_back({{"pid", share.pid}, {"cpu_us", share.cpu_us}, {"rss_kib", share.rss_kib}});
  return list;
}

double ended(const Counts& counts) { return static_cast<double>(counts.messages + counts.refused); }

}  // namespace

double Report::messages_per_second() const { return seconds > 0 ? ended(counts) / seconds : 0; }

double Report::cpu_us_per_message() const {
  return ended(counts) > 0 ? filter_cpu_us / ended(counts) : 0;
}

std::string render_text(const Report& report) {
  const Counts& counts = report.counts;
  std::string text = fmt::format(
      "{:.0f} messages/s in {:.1f} s ({} passed, {} refused, {} sessions, {} refusing answers, "
      "{} failures)\n",
      report.messages_per_second(), report.seconds, counts.messages, counts.refused,
      counts.sessions, counts.replies, counts.failures);
  text += fmt::format(
      "filter: {:.1f} us CPU per message, {} KiB resident, {} threads, {} descriptors; generator: "
      "{:.1f} us CPU per message\n",
      report.cpu_us_per_message(), report.rss_kib, report.threads, report.descriptors,
      ended(counts) > 0 ? report.generator_cpu_us / ended(counts) : 0);
  if (report.idle > 0)
    text +=
        fmt::format("idle: {} held, {} lost, {:.2f} KiB each, opened in {:.0f} us each\n",
                    report.idle, report.idle_lost, report.idle_kib_each, report.idle_open_us_each);
  text += fmt::format("{:>8} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "us", "count", "p50", "p90", "p99",
                      "max");
  text += line("attach", counts.attach);
  for (const peer::EventRule& rule : peer::kEventRules)
    text += line(rule.name, counts.latency[static_cast<std::size_t>(rule.event)]);
  return text + line("all", counts.all);
}

std::string render_json(const Report& report, const LoadOptions& options) {
  const Counts& counts = report.counts;
  nlohmann::json latency = {{"attach", quantiles(counts.attach)}, {"all", quantiles(counts.all)}};
  for (const peer::EventRule& rule : peer::kEventRules) {
    const Histogram& histogram = counts.latency[static_cast<std::size_t>(rule.event)];
    if (histogram.count() > 0) latency[std::string(rule.name)] = quantiles(histogram);
  }
  const nlohmann::json result = {
      {"connections", options.connections},
      {"pause_us", options.pause.count()},
      {"seconds", report.seconds},
      {"messages", counts.messages},
      {"refused", counts.refused},
      {"sessions", counts.sessions},
      {"refusing_answers", counts.replies},
      {"failures", counts.failures},
      {"messages_per_second", report.messages_per_second()},
      {"cpu_us_per_message", report.cpu_us_per_message()},
      {"generator_cpu_us_per_message",
       ended(counts) > 0 ? report.generator_cpu_us / ended(counts) : 0},
      {"processes", shares(report)},
      {"rss_kib", report.rss_kib},
      {"threads", report.threads},
      {"descriptors", report.descriptors},
      {"idle", report.idle},
      {"idle_lost", report.idle_lost},
      {"idle_kib_each", report.idle_kib_each},
      {"idle_open_us_each", report.idle_open_us_each},
      {"latency", latency},
  };
  return result.dump(2) + "\n";
}

}  // namespace sluice::load
