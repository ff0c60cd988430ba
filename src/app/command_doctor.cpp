#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "app/control.h"
#include "app/doctor.h"
#include "app/mta_client.h"
#include "app/policy_loading.h"
#include "app/service.h"
#include "base/text.h"
#include "engine/decision_id.h"
#include "policy/list_pool.h"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;
using Weight = Finding::Weight;

constexpr const char* kWords[] = {"ok", "note", "warn", "BAD"};
constexpr int kLooks = 20;  // for the message in the history, a quarter of a second apart

std::string word_of(Weight weight) { return kWords[static_cast<std::size_t>(weight)]; }

void print(const Findings& findings, std::ostream& out) {
  for (const Finding& finding : findings) {
    out << fmt::format("{:<5} {:<12} {}\n", word_of(finding.weight), finding.about, finding.what);
    if (!finding.cure.empty()) out << fmt::format("{:<18} cure: {}\n", "", finding.cure);
  }
  const auto count = [&](Weight weight) {
    return std::count_if(findings.begin(), findings.end(),
                         [weight](const Finding& f) { return f.weight == weight; });
  };
  out << fmt::format("{} checks: {} bad, {} to look at\n", findings.size(), count(Weight::Bad),
                     count(Weight::Warn));
}

ordered_json to_json(const Findings& findings) {
  ordered_json list = ordered_json::array();
  for (const Finding& finding : findings)
    list.push_back({{"weight", fold(word_of(finding.weight))},
                    {"about", finding.about},
                    {"what", finding.what},
                    {"cure", finding.cure}});
  return list;
}

// An inherited socket is known to the service alone.
void fill_inherited(ServiceConfig& config) {
  const bool is_needed =
      std::any_of(config.listen.begin(), config.listen.end(), [](const milter::ListenSpec& spec) {
        return spec.kind == milter::ListenSpec::Kind::Inherited;
      });
  const auto reply = is_needed ? ask_service(config.control, "status", nlohmann::json::object())
                               : Result<ControlReply>(ControlReply());
  if (!is_needed || !reply) return;
  const auto status = ordered_json::parse(reply->json, nullptr, false);
  if (!status.is_object() || !status.contains("addresses")) return;
  std::vector<milter::ListenSpec> places;
  for (const auto& address : status["addresses"])
    if (auto place = milter::parse_listen(address.get<std::string>())) places.push_back(*place);
  if (!places.empty()) config.listen = std::move(places);
}

// What the history knows of a sender; nullopt: nothing yet.
std::optional<ordered_json> seen_of(const ServiceConfig& config, const std::string& sender) {
  const auto reply = ask_service(config.control, "history", {{"from", sender}, {"all", "1"}});
  if (!reply || reply->exit != kOk) return std::nullopt;
  const auto data = ordered_json::parse(reply->json, nullptr, false);
  if (!data.is_object() || !data.contains("decisions") || data["decisions"].empty())
    return std::nullopt;
  return data["decisions"].back();
}

// The dialogue; what the MTA said last.
MtaReply send_mail(MtaClient& client, const std::string& sender, const std::string& to) {
  for (const std::string& line :
       {std::string("EHLO localhost"), "MAIL FROM:<" + sender + ">", "RCPT TO:<" + to + ">", std::string("DATA")}) {
    MtaReply reply = client.command(line);
    if (reply.code / 100 != 2 && reply.code / 100 != 3) return reply;
  }
  return client.content("From: <" + sender + ">\r\nTo: <" + to +
                        ">\r\nSubject: sluice doctor\r\n\r\n"
                        "`sluice doctor --send` sent this to see whether the filter is asked.\r\n");
}

}  // namespace

void check_by_mail(const Patient& patient, Findings& findings) {
  const std::string& mta = patient.options.mta;
  const auto colon = mta.rfind(':');
  const std::string host = mta.substr(0, colon);
  const int port = colon == std::string::npos ? 25 : std::atoi(mta.c_str() + colon + 1);
  MtaClient client;
  const MtaReply greeting = client.connect(host, static_cast<std::uint16_t>(port));
  if (greeting.code != 220) {
    findings.push_back({Weight::Bad, "mail", "no MTA takes mail at " + mta +
                        (greeting.code == 0 ? "" : fmt::format(": {} {}", greeting.code, greeting.text)),
                        "--mta HOST:PORT names another place"});
    return;
  }
  const std::string sender = "sluice-doctor-" + fold(engine::draw_short_id()) + "@localhost.localdomain";
  const MtaReply last = send_mail(client, sender, patient.options.to);
  client.command("QUIT");
  std::optional<ordered_json> seen;
  for (int i = 0; i < kLooks && !seen; ++i) {
    seen = seen_of(patient.config, sender);
    if (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  const std::string said = fmt::format("the MTA said {} {} {}", last.code, last.status, last.text);
  if (seen && seen->value("act", "") == "continue") {
    findings.push_back({Weight::Good, "mail", "the message from " + sender + " was seen by the filter and passed; " + said, {}});
  } else if (seen) {
    findings.push_back({Weight::Good, "mail", "the message from " + sender + " was seen by the filter and refused by " +
                        seen->value("rule", std::string("-")), {}});
  } else if (last.code / 100 == 2) {
    findings.push_back({Weight::Bad, "mail", "the MTA took the message from " + sender + " and the filter never saw it",
                        "attach the filter, see above"});
  } else {
    findings.push_back({Weight::Warn, "mail", "the MTA refused the message by itself: " + said,
                        "--to ADDRESS names a recipient that this MTA takes"});
  }
}

int doctor_command(const DoctorOptions& options, std::ostream& out, std::ostream& err) {
  Diagnostics diagnostics;
  ServiceConfig config =
      load_config(options.config.empty() ? kDefaultConfig : options.config, diagnostics);
  if (!diagnostics.ok()) {
    err << diagnostics.render();
    return kConfig;
  }
  fill_inherited(config);
  const LoadedPolicy loaded = load_program(config, std::make_shared<policy::ListPool>());
  Findings findings;
  if (!loaded.program)
    findings.push_back({Weight::Bad, "policy", "the policy has mistakes: it would not load", "sluice check -c " + config.file});
  const Patient patient{options, config, loaded.program.get()};
  for (void (*check)(const Patient&, Findings&) : {check_service, check_mta, check_dns, check_redis})
    check(patient, findings);
  if (options.send) check_by_mail(patient, findings);
  if (options.json) {
    out << to_json(findings).dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  } else {
    print(findings, out);
  }
  const bool bad = std::any_of(findings.begin(), findings.end(),
                               [](const Finding& f) { return f.weight == Weight::Bad; });
  return bad ? kTestFailed : kOk;
}

}  // namespace sluice::app
