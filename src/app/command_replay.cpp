// sluice replay: the mail of a log or a mailbox against a policy, in simulated time; against two,
// what changes; against none, the limits that its use would bear.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/json_failure.h"
#include "app/progress_bar.h"
#include "app/replay_pipe.h"
#include "app/replay_policies.h"
#include "app/replay_suggest.h"
#include "app/replay_summary.h"
#include "app/service.h"
#include "app/shadow_evidence.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kUnknownShown = 10;

class Replay {
 public:
  Replay(const ReplayOptions& options, std::ostream& out, std::ostream& err)
      : options_(options), out_(out), err_(err) {}

  int run() {
    for (int (Replay::*step)() :
         {&Replay::open_sources, &Replay::load_policies, &Replay::open_dns, &Replay::play})
      if (const int code = (this->*step)(); code != kOk) return code;
    if (options_.json) {
      write_json();
    } else {
      write_text();
    }
    return kOk;
  }

 private:
  int fail(int code, const std::string& what) {
    err_ << "sluice: " << what << "\n";
    return code;
  }
  int open_sources();
  int load_policies();
  int load(const std::string& path, std::optional<ReplayPolicy>& policy);
  int open_dns();
  int play();
  void play_event(const ReplayEvent& event);
  std::pair<std::uint64_t, std::uint64_t> progress() const;
  std::string sources_text() const;
  std::string unknown_text() const;
  void write_text();
  void write_json();

  const ReplayOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  std::vector<ReplaySourcePtr> sources_;
  std::optional<ReplayPolicy> new_, old_;
  std::unique_ptr<PresentDns> dns_;
  ShadowEvidence shadow_;
  std::unique_ptr<ReplayPlayer> player_, old_player_;
  ReplaySummary summary_;
  ReplayComparison comparison_;
  LimitSuggestion suggestion_;
  std::uint64_t messages_ = 0;
};

int Replay::open_sources() {
  for (const std::string& path : options_.sources) {
    auto source = open_replay_source(path, options_.kind);
    if (!source) return fail(kNoInput, source.error().what);
    sources_.push_back(std::move(*source));
  }
  return kOk;
}

int Replay::load(const std::string& path, std::optional<ReplayPolicy>& policy) {
  auto loaded = load_replay_policy(path);
  if (!loaded) {
    err_ << loaded.error().what;
    return kConfig;
  }
  policy.emplace(std::move(*loaded));
  return kOk;
}

int Replay::load_policies() {
  if (options_.suggest) return kOk;
  if (const int code = load(options_.config.empty() ? kDefaultConfig : options_.config, new_);
      code != kOk)
    return code;
  return options_.against.empty() ? static_cast<int>(kOk) : load(options_.against, old_);
}

int Replay::open_dns() {
  if (!new_) return kOk;
  if (options_.dns) {
    auto dns = PresentDns::start(new_->config);
    if (!dns) return fail(kConfig, "dns: " + dns.error().what);
    dns_ = std::move(*dns);
  }
  new_->settings.dns = dns_.get();
  new_->settings.sink = &shadow_;
  player_ = std::make_unique<ReplayPlayer>(new_->program, new_->settings);
  if (!old_) return kOk;
  old_->settings.dns = dns_.get();
  old_player_ = std::make_unique<ReplayPlayer>(old_->program, old_->settings);
  return kOk;
}

void Replay::play_event(const ReplayEvent& event) {
  if (event.kind == ReplayEvent::Kind::Transaction) ++messages_;
  if (options_.suggest) return suggestion_.add(event);
  const std::vector<Ruling>& after = player_->play(event);
  summary_.add(event, after);
  if (old_player_) comparison_.add(event, old_player_->play(event), after);
}

std::pair<std::uint64_t, std::uint64_t> Replay::progress() const {
  std::uint64_t position = 0, length = 0;
  for (const ReplaySourcePtr& source : sources_) {
    if (source->length() == 0) return {0, 0};
    position += source->position();
    length += source->length();
  }
  return {position, length};
}

int Replay::play() {
  ProgressBar bar(err_,
                  options_.progress || (!options_.no_progress && ::isatty(STDERR_FILENO) == 1));
  {
    ReplayPipe pipe(sources_);
    while (const ReplayEvent* event = pipe.next()) {
      play_event(*event);
      if (!bar.is_due()) continue;
      const auto [position, length] = progress();
      bar.show(position, length, messages_);
    }
  }
  bar.clear();
  return messages_ > 0 ? static_cast<int>(kOk)
                       : fail(kNoInput, "no mail in " + options_.sources.front());
}

std::string Replay::sources_text() const {
  std::string text;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const ReplayCounts counts = sources_[i]->counts();
    text += fmt::format("{}: {} read", options_.sources[i], grouped(counts.lines));
    const std::pair<std::uint64_t, const char*> left_out[] = {
        {counts.not_understood, "not understood"},
        {counts.incomplete, "messages without a recipient in the log"},
        {counts.local, "from this host or back from a content filter"},
        {counts.early, "refused by postscreen"}};
    for (const auto& [count, what] : left_out) {
      if (count > 0) text += fmt::format(", {} {}", grouped(count), what);
    }
    text += "\n";
  }
  return text;
}

std::string Replay::unknown_text() const {
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& [fact, count] : player_->unknown()) order.emplace_back(count, fact);
  if (order.empty()) return {};
  std::sort(order.rbegin(), order.rend());
  std::string text = "\nnot known here, so that conditions with it did not match\n";
  for (std::size_t i = 0; i < std::min(order.size(), kUnknownShown); ++i)
    text += fmt::format("  {}: {} times\n", order[i].second, grouped(order[i].first));
  if (order.size() > kUnknownShown)
    text += fmt::format("  and {} more facts\n", order.size() - kUnknownShown);
  return text;
}

void Replay::write_text() {
  if (options_.suggest) {
    out_ << suggestion_.yaml();
    return;
  }
  out_ << sources_text();
  if (old_player_) {
    out_ << comparison_.text();
    return;
  }
  out_ << summary_.text();
  if (const auto names = shadow_rules(*new_->program); !names.empty())
    out_ << "\nshadow rules: " << render_shadow(shadow_.snapshot(), names).text;
  out_ << unknown_text();
}

void Replay::write_json() {
  ordered_json json;
  json["sources"] = ordered_json::array();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const ReplayCounts counts = sources_[i]->counts();
    json["sources"].push_back({{"path", options_.sources[i]},
                               {"read", counts.lines},
                               {"not_understood", counts.not_understood},
                               {"incomplete", counts.incomplete},
                               {"local", counts.local},
                               {"postscreen", counts.early}});
  }
  if (options_.suggest) {
    suggestion_.tell(json["suggestion"]);
  } else {
    summary_.tell(json["summary"]);
    json["shadow"] =
        ordered_json::parse(render_shadow(shadow_.snapshot(), shadow_rules(*new_->program)).json);
    json["unknown"] = player_->unknown();
    if (old_player_) comparison_.tell(json["against"]);
  }
  out_ << json.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace

int replay_command(const ReplayOptions& options, std::ostream& out, std::ostream& err) {
  return with_json_failure(options.json, out, err, [&](std::ostream& said) {
    return Replay(options, out, said).run();
  });
}

}  // namespace sluice::app
