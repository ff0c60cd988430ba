// sluice explain: one session through the policy with every look-up in memory or given, and what
// each rule thought of it.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/config.h"
#include "app/dns_list_watch.h"
#include "app/given_facts.h"
#include "app/json_failure.h"
#include "app/policy_loading.h"
#include "app/service.h"
#include "backends/cares_resolver.h"
#include "backends/dns_lists.h"
#include "backends/reference_store.h"
#include "base/text.h"
#include "engine/session.h"

namespace sluice::app {
namespace {

using engine::Answer;
using nlohmann::ordered_json;

// Everything that one explanation needs, in the order in which it is made.
struct Stand {
  ServiceConfig config;
  LoadedPolicy policy;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<backends::ReferenceStore> store;
  std::unique_ptr<backends::CaresResolver> dns;
  std::unique_ptr<backends::DnsLists> lists;  // in front of dns
  GivenValues given;
  engine::Services services;
};

int fail(std::ostream& err, int code, const std::string& what) {
  err << "sluice: " << what << "\n";
  return code;
}

int load(const ExplainOptions& options, Stand& stand, std::ostream& err) {
  Diagnostics diagnostics;
  if (options.policies.empty()) {
    stand.config =
        load_config(options.config.empty() ? kDefaultConfig : options.config, diagnostics);
  } else {
    stand.config.policies = options.policies;
  }
  err << diagnostics.render();
  if (!diagnostics.ok()) return kConfig;
  stand.policy = load_program(stand.config);
  if (stand.policy.program) return kOk;
  err << stand.policy.diagnostics.render();
  return kConfig;
}

int set_clock(const ExplainOptions& options, Stand& stand, std::ostream& err) {
  stand.clock = std::make_unique<SystemClock>();
  if (options.at.empty()) return kOk;
  const auto at = parse_datetime(options.at);
  if (!at)
    return fail(err, kUsage, "--at `" + options.at + "` is no time; write 2026-10-15T00:00Z");
  stand.clock = std::make_unique<VirtualClock>(*at);
  return kOk;
}

int set_given(const ExplainOptions& options, Stand& stand, std::ostream& err) {
  for (const std::string& text : options.given) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const auto* signature = find_signature(*stand.policy.program, name);
    if (equals == std::string::npos || signature == nullptr)
      return fail(err, kUsage,
                  "--given `" + text + "`: write FACT=VALUE with a fact of `sluice facts`");
    auto value = parse_given_value(signature->type, text.substr(equals + 1));
    if (!value) return fail(err, kUsage, "--given " + name + ": " + value.error().what);
    stand.given.set(name, std::move(*value));
  }
  return kOk;
}

// DNS is asked for real, unless the time is not now: look-ups of the past cannot be made.
int set_services(const ExplainOptions& options, Stand& stand, std::ostream& err) {
  stand.store = std::make_unique<backends::ReferenceStore>(*stand.clock);
  backends::CaresOptions dns;
  dns.servers = stand.config.dns_servers;
  dns.timeout = stand.config.dns_timeout;
  static const SystemClock kNow;
  if (options.at.empty()) {
    auto started = backends::CaresResolver::start(dns, kNow);
    if (!started) return fail(err, kConfig, "dns: " + started.error().what);
    stand.dns = std::move(*started);
    stand.lists = std::make_unique<backends::DnsLists>(*stand.dns, kNow);
    stand.lists->watch(lists_of(*stand.policy.program, stand.config));
  }
  stand.services.clock = stand.clock.get();
  stand.services.store = stand.store.get();
  stand.services.dns = stand.lists.get();
  stand.services.settings.delimiters = stand.config.delimiter;
  stand.services.settings.trusted_relays = stand.config.trusted_relays;
  stand.services.deadline = stand.config.deadline;
  stand.services.reply_id = false;
  stand.services.trace = true;
  stand.services.given = &stand.given;
  return kOk;
}

// One command of the session, with what the client would see.
struct Step {
  std::string command;
  Answer answer;
  std::string line;  // "250 2.0.0 Ok" as an MTA says it when we have nothing to say
};

class Player {
 public:
  Player(Stand& stand, const ExplainOptions& options)
      : options_(options), session_(stand.services, stand.policy.program) {}

  std::vector<Step> play() {
    connect();
    if (going_) helo();
    if (going_) mail_from();
    int accepted = 0;
    for (const std::string& rcpt : options_.rcpt)
      if (going_ && !refused_) accepted += rcpt_to(rcpt) ? 1 : 0;
    if (going_ && !refused_ && accepted > 0) message();
    return std::move(steps_);
  }

 private:
  Answer finish(engine::Progress progress) {
    while (!progress) {
      const Duration left = std::max(Duration{0}, session_.deadline() - SystemClock().now());
      progress = session_.resume(!session_.round().wait(std::min(left, Duration{60'000})));
    }
    return std::move(*progress);
  }

  bool note(std::string command, engine::Progress progress, const std::string& fine) {
    Step step{std::move(command), finish(std::move(progress)), fine};
    const auto lines = step.answer.verdict.reply.wire_lines();
    if (!lines.empty()) step.line = lines.front();
    if (step.answer.verdict.action == mail::Action::Disconnect) going_ = false;
    steps_.push_back(std::move(step));
    return lines.empty();
  }

  void connect() {
    mail::Connection connection;
    connection.client_ip = IpAddress::parse(options_.client);
    connection.client_name = options_.rdns.empty() ? "unknown" : options_.rdns;
    connection.resolve =
        options_.rdns.empty() ? mail::ClientResolve::Unknown : mail::ClientResolve::Ok;
    if (!options_.rdns.empty()) connection.client_ptr = options_.rdns;
    connection.server_port = static_cast<std::uint16_t>(options_.port);
    note("CONNECT " + options_.client, session_.connect(std::move(connection)), "220");
  }
  void helo() {
    tls_.active = !options_.tls.empty();
    tls_.version = options_.tls;
    const std::string name = !options_.helo.empty()  ? options_.helo
                             : options_.rdns.empty() ? "localhost"
                                                     : options_.rdns;
    note("EHLO " + name, session_.helo(name, tls_), "250");
  }
  void mail_from() {
    mail::Envelope envelope;
    envelope.sender_path = "<" + options_.from + ">";
    if (!options_.auth.empty()) envelope.login = mail::Login{options_.auth, "PLAIN"};
    refused_ = !note("MAIL FROM:<" + options_.from + ">",
                     session_.mail_from(std::move(envelope), tls_), "250");
  }
  bool rcpt_to(const std::string& address) {
    mail::Recipient recipient;
    recipient.path = "<" + address + ">";
    return note("RCPT TO:<" + address + ">", session_.rcpt_to(std::move(recipient), ""), "250");
  }
  void message();
  void give_message(std::string_view text);

  const ExplainOptions& options_;
  engine::Session session_;
  mail::Tls tls_;
  std::vector<Step> steps_;
  std::string body_;
  bool going_ = true, refused_ = false;
};

// Header fields up to the empty line, then the body; line ends as they are.
void Player::give_message(std::string_view text) {
  std::string name, value;
  const auto give = [&] {
    if (!name.empty()) session_.header(name, value);
    name.clear();
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if ((line[0] == ' ' || line[0] == '\t') && !name.empty()) {
      value.append("\n").append(line);
    } else if (colon != std::string_view::npos) {
      give();
      name = std::string(line.substr(0, colon));
      value = std::string(line.substr(colon + 1));
    }
  }
  give();
  body_ = std::string(text);
}

void Player::message() {
  if (!note("DATA", session_.data(""), "354") || !going_) return;
  std::string text = "From: <" + options_.from + ">\r\nSubject: explain\r\n\r\nexplain\r\n";
  if (!options_.message.empty()) {
    std::ifstream file(options_.message, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  give_message(text);
  if (!note("end of headers", session_.end_of_headers(), "")) return;
  session_.body(body_);
  note(".", session_.end_of_message(""), "250");
}

std::string values_of(const engine::RuleTrace& trace) {
  std::string text;
  for (const auto& [name, value] : trace.values)
    text += (text.empty() ? "" : ", ") + name + "=" + log_value(value);
  return text;
}

void print(const std::vector<Step>& steps, std::ostream& out) {
  for (const Step& step : steps) {
    const auto& record = step.answer.record;
    out << step.command << (step.line.empty() ? "" : "  =>  " + step.line);
    if (!record.rule.empty()) out << "   [" << record.rule << "]";
    out << "\n";
    for (const auto& trace : record.trace)
      out << fmt::format("    {}  {:<8} {:<28} {}{}{}\n", trace.result, trace.kind, trace.rule,
                         values_of(trace), trace.note.empty() || trace.values.empty() ? "" : "; ",
                         trace.note);
  }
  out << "\nT matched, F did not, ? unknown, x exempt, s shadow (would have answered), - not "
         "reached\n";
}

ordered_json to_json(const Step& step) {
  ordered_json json{
      {"command", step.command}, {"reply", step.line}, {"rule", step.answer.record.rule}};
  json["trace"] = ordered_json::array();
  for (const auto& trace : step.answer.record.trace) {
    ordered_json values = ordered_json::object();
    for (const auto& [name, value] : trace.values) values[name] = value;
    json["trace"].push_back({{"rule", trace.rule},
                             {"kind", trace.kind},
                             {"stage", mail::stage_name(trace.stage)},
                             {"result", std::string(1, trace.result)},
                             {"note", trace.note},
                             {"values", values}});
  }
  return json;
}

int explain(const ExplainOptions& options, std::ostream& out, std::ostream& err) {
  Stand stand;
  if (!IpAddress::parse(options.client))
    return fail(err, kUsage, "--client `" + options.client + "` is no address");
  if (!options.message.empty() && !std::ifstream(options.message))
    return fail(err, kNoInput, "cannot read " + options.message);
  if (const int code = load(options, stand, err); code != kOk) return code;
  if (const int code = set_clock(options, stand, err); code != kOk) return code;
  if (const int code = set_given(options, stand, err); code != kOk) return code;
  if (const int code = set_services(options, stand, err); code != kOk) return code;
  const auto steps = Player(stand, options).play();
  if (!options.json) {
    print(steps, out);
    return kOk;
  }
  ordered_json list = ordered_json::array();
  for (const Step& step : steps) list.push_back(to_json(step));
  out << list.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  return kOk;
}

}  // namespace

int explain_command(const ExplainOptions& options, std::ostream& out, std::ostream& err) {
  return with_json_failure(options.json, out, err,
                           [&](std::ostream& said) { return explain(options, out, said); });
}

}  // namespace sluice::app
