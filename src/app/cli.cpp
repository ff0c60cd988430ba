// The command line: one table of commands. A new command is a function in commands.h and a row
// here; help, completion and the manual page follow from the table.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/completion.h"
#include "app/config.h"
#include "app/control_arguments.h"
#include "app/doctor.h"
#include "app/service.h"
#include "app/test_runner.h"
#include "app/version.h"

namespace sluice::app {
namespace {

using Run = std::function<int()>;

struct Command {
  const char* name;
  const char* summary;
  Run (*define)(CLI::App& app);  // adds the options, gives what runs with them
};

template <class Options>
std::shared_ptr<Options> shared() {
  return std::make_shared<Options>();
}

void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "For scripts: JSON on standard output");
}
void add_config(CLI::App& app, std::string& config) {
  app.add_option("-c,--config", config,
                 "Service configuration (default " + std::string(kDefaultConfig) + ")");
}

Run define_run(CLI::App& app) {
  auto config = shared<std::string>();
  add_config(app, *config);
  return [config] {
    Diagnostics diagnostics;
    const ServiceConfig loaded =
        load_config(config->empty() ? kDefaultConfig : *config, diagnostics);
    std::cerr << diagnostics.render();
    return diagnostics.ok() ? run_service(loaded) : static_cast<int>(kConfig);
  };
}

Run define_check(CLI::App& app) {
  auto o = shared<CheckOptions>();
  add_config(app, o->config);
  app.add_option("POLICY", o->policies,
                 "Policy files or folders instead of those of the configuration");
  app.add_flag("--show", o->show, "Print the effective policy with the origin of every key");
  add_json(app, o->json);
  return [o] { return check_command(*o, std::cout, std::cerr); };
}

Run define_test(CLI::App& app) {
  auto o = shared<TestOptions>();
  app.add_option("FILE", o->files, "Policies with tests:, or files of tests beside them")
      ->required();
  app.add_option("--filter", o->filter, "Only tests whose name contains TEXT");
  app.add_flag("--coverage", o->coverage, "Per rule: matched, not matched, unknown, exempted");
  app.add_option("--coverage-min", o->coverage_min, "Fail below this percentage of rules matched")
      ->check(CLI::Range(0, 100));
  app.add_option("--junit", o->junit, "Write the outcome as JUnit XML to FILE");
  app.add_option("--mta", o->mta, "Play through the MTA at HOST:PORT, which must allow XCLIENT");
  app.add_option("--listen", o->listen, "Where that MTA finds its milter: unix:PATH or inet:HOST:PORT")->needs("--mta");
  return [o] { return run_tests(*o, std::cout); };
}

Run define_explain(CLI::App& app) {
  auto o = shared<ExplainOptions>();
  add_config(app, o->config);
  app.add_option("--policy", o->policies,
                 "Policy files or folders instead of those of the configuration");
  app.add_option("--client", o->client, "Address of the client")->required();
  app.add_option("--rdns", o->rdns, "Its confirmed reverse name");
  app.add_option("--helo", o->helo, "Argument of EHLO");
  app.add_option("--auth", o->auth, "Login");
  app.add_option("--tls", o->tls, "TLS version, as TLSv1.3");
  app.add_option("--port", o->port, "Port the client connected to");
  app.add_option("--from", o->from, "Envelope sender; empty for the null sender")->required();
  app.add_option("--rcpt", o->rcpt, "Recipient; may be given several times")->required();
  app.add_option("--message", o->message, "File with the message (.eml)");
  app.add_option("--given", o->given, "Fix a fact: NAME=VALUE, or NAME=timeout");
  app.add_option("--at", o->at, "When: 2026-10-15T00:00Z (default: now)");
  add_json(app, o->json);
  return [o] { return explain_command(*o, std::cout, std::cerr); };
}

Run define_replay(CLI::App& app) {
  auto o = shared<ReplayOptions>();
  app.add_option("-c,--config,--policy", o->config,
                 "Service configuration, policy file or folder of policies (default " +
                     std::string(kDefaultConfig) + ")");
  app.add_option("--against", o->against, "Show only what changes from this policy");
  app.add_option("SOURCE", o->sources,
                 "Postfix log, decision log, mbox, maildir, .eml or a folder of them; - is stdin")
      ->required();
  app.add_option("--kind", o->kind, "postfix, decisions, mbox, maildir or eml (default: as found)");
  app.add_flag("--suggest", o->suggest,
               "Instead of playing a policy: the smallest limits that would have refused nothing");
  app.add_flag("--dns", o->dns, "Ask the DNS of today; without it such facts are unknown");
  app.add_flag("--progress", o->progress, "A progress bar also when stderr is no terminal");
  app.add_flag("--no-progress", o->no_progress, "No progress bar");
  add_json(app, o->json);
  return [o] { return replay_command(*o, std::cout, std::cerr); };
}

Run define_shadow(CLI::App& app) {
  auto o = shared<ShadowOptions>();
  add_config(app, o->config);
  app.add_option("--control", o->control, "Control socket of the service");
  app.add_option("--from", o->from, "Read a decision log instead of asking the service");
  add_json(app, o->json);
  return [o] { return shadow_command(*o, std::cout, std::cerr); };
}

Run define_codes(CLI::App& app) {
  auto o = shared<CodesOptions>();
  app.add_option("CODE", o->code, "One code");
  add_json(app, o->json);
  return [o] { return codes_command(*o, std::cout, std::cerr); };
}

Run define_facts(CLI::App& app) {
  auto o = shared<FactsOptions>();
  app.add_option("NAME", o->name, "One fact, or a group as `sender`");
  app.add_option("--docs", o->docs, "Write the pages of docs/facts to FOLDER");
  add_json(app, o->json);
  return [o] { return facts_command(*o, std::cout, std::cerr); };
}

std::shared_ptr<ServiceOptions> service_options(CLI::App& app, const char* command) {
  auto o = shared<ServiceOptions>();
  o->command = command;
  add_config(app, o->config);
  app.add_option("--control", o->control, "Control socket of the service");
  add_json(app, o->json);
  return o;
}

template <const char* const& Name>
Run define_service(CLI::App& app) {
  auto o = service_options(app, Name);
  return [o] { return service_command(*o, std::cout, std::cerr); };
}

constexpr const char* kStatus = "status";
constexpr const char* kReload = "reload";

// A group as `limits {show,top,reset,grant}`: the action first, then what it needs.
struct GroupAction {
  const char* name;
  const char* summary;
  std::vector<const char*> arguments;  // required, by position; "KEY...": words, joined by blanks
  std::vector<std::pair<const char*, const char*>> options;  // optional: name, meaning
};

// `value` outlives the parsing.
void add_argument(CLI::App& app, std::string name, std::string& value) {
  if (!name.ends_with("...")) {
    app.add_option(name, value)->required();
    return;
  }
  name.resize(name.size() - 3);
  const auto join = [&value](const std::vector<std::string>& words) {
    value.clear();
    for (const std::string& word : words) value += (value.empty() ? "" : " ") + word;
  };
  app.add_option_function<std::vector<std::string>>(name, join)->required();
}

Run define_group(CLI::App& app, const char* group, const std::vector<GroupAction>& actions) {
  app.require_subcommand(1);
  auto chosen = shared<std::shared_ptr<ServiceOptions>>();
  for (const GroupAction& action : actions) {
    CLI::App* sub = app.add_subcommand(action.name, action.summary);
    auto o = service_options(*sub, group);
    o->arguments.emplace_back("action", action.name);
    auto values = std::make_shared<std::vector<std::pair<std::string, std::string>>>();
    values->reserve(action.arguments.size() + action.options.size());
    for (const std::string name : action.arguments)
      add_argument(*sub, name, values->emplace_back(name.substr(0, name.find('.')), "").second);
    for (const auto& [name, meaning] : action.options)
      sub->add_option("--" + std::string(name), values->emplace_back(name, "").second, meaning);
    sub->callback([o, values, chosen] {
      for (auto& value : *values)
        if (!value.second.empty()) o->arguments.push_back(value);
      *chosen = o;
    });
  }
  return [chosen] { return service_command(**chosen, std::cout, std::cerr); };
}

Run define_limits(CLI::App& app) {
  return define_group(app, "limits",
                      {{"show",
                        "Counters by readable name",
                        {},
                        {{"filter", "Part of the name, as user=alice"}, {"top", "At most N"}}},
                       {"top", "The counters nearest to full", {}, {{"top", "At most N"}}},
                       {"reset", "Forget what was counted", {"FILTER"}, {}},
                       {"grant",
                        "Let N more through for a while",
                        {"FILTER", "N"},
                        {{"for", "How long (default 1h)"}}}});
}

Run define_greylist(CLI::App& app) {
  return define_group(app, "greylist",
                      {{"show",
                        "Entries by readable name",
                        {},
                        {{"filter", "Part of the name"}, {"top", "At most N"}}},
                       {"allow",
                        "Let an entry pass without waiting, seen before or not",
                        {"KEY..."},
                        {{"for", "How long (default: the rule's `remember`)"}}},
                       {"forget", "Forget entries, they wait again", {"FILTER"}, {}}});
}

Run define_list(CLI::App& app) {
  return define_group(
      app, "list",
      {{"show",
        "Entries of the dynamic lists",
        {},
        {{"filter", "Part of the name"}, {"top", "At most N"}}},
       {"add", "Add a value", {"LIST", "VALUE"}, {{"for", "How long; without it until removed"}}},
       {"remove", "Remove a value", {"LIST", "VALUE"}, {}}});
}

Run define_state(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* sub = app.add_subcommand("import", "Move the embedded state into Redis, once");
  auto o = shared<StateImportOptions>();
  add_config(*sub, o->config);
  sub->add_option("--from", o->from, "Folder of the embedded store (default: `state`)");
  add_json(*sub, o->json);
  return [o] { return state_import_command(*o, std::cout, std::cerr); };
}

using Words = std::vector<std::pair<const char*, const char*>>;  // option, meaning

// Asks the service for one thing: required words by position, options that may be left out.
std::shared_ptr<ServiceOptions> asking(CLI::App& app, const char* command, const Words& words,
                                       const Words& options) {
  auto o = service_options(app, command);
  o->arguments.reserve(words.size() + options.size());
  for (const auto& [name, meaning] : words)
    app.add_option(name, o->arguments.emplace_back(name, "").second, meaning)->required();
  for (const auto& [name, meaning] : options)
    app.add_option("--" + std::string(name), o->arguments.emplace_back(name, "").second, meaning);
  return o;
}

Run define_why(CLI::App& app) {
  auto o = asking(app, "why", {{"what", "Id of a refusal (4F7K2C), queue id, session or address"}}, {});
  return [o] { return service_command(*o, std::cout, std::cerr); };
}

constexpr std::pair<const char*, const char*> kSince{
    "since", "How long ago (2h), or a time (2026-11-25T10:00Z)"};

Run define_history(CLI::App& app) {
  auto o = asking(app, "history", {},
                  {kSince,
                   {"until", "The same for the end"},
                   {"rule", "Answered by this rule, or would have been"},
                   {"code", "Reply code"},
                   {"stage", "connect helo mail rcpt data headers end"},
                   {"from", "Part of the sender's address"},
                   {"to", "Part of the recipient's address"},
                   {"client", "Address or network of the client"},
                   {"text", "Part of any field that is shown"},
                   {"limit", "At most N (default 50)"}});
  auto all = shared<bool>();
  auto follow = shared<bool>();
  app.add_flag("--all", *all, "Also messages that were accepted without a word");
  app.add_flag("-f,--follow", *follow, "Then go on with what is decided from now on");
  return [o, all, follow] {
    if (*all) o->arguments.emplace_back("all", "1");
    return *follow ? follow_history(*o, std::cout, std::cerr)
                   : service_command(*o, std::cout, std::cerr);
  };
}

Run define_top(CLI::App& app) {
  auto o = asking(app, "top", {},
                  {{"by", "rule (default), client, from, to, code or limit"},
                   kSince,
                   {"stage", "Only of this stage"},
                   {"rule", "Only of this rule"},
                   {"limit", "At most N (default 20)"}});
  return [o] { return service_command(*o, std::cout, std::cerr); };
}

Run define_privacy(CLI::App& app) {
  return define_group(app, "privacy",
                      {{"find", "What is kept of an address", {"ADDRESS"}, {}},
                       {"erase", "Remove it", {"ADDRESS"}, {}}});
}

Run define_doctor(CLI::App& app) {
  auto o = shared<DoctorOptions>();
  add_config(app, o->config);
  app.add_option("--mta", o->mta, "HOST:PORT where the MTA takes mail (default 127.0.0.1:25)");
  app.add_option("--postfix", o->postfix, "Folder of main.cf and master.cf (default /etc/postfix)");
  app.add_option("--sendmail", o->sendmail, "sendmail.cf (default /etc/mail/sendmail.cf)");
  app.add_flag("--send", o->send, "Send a message through the MTA and see whether the filter saw it");
  app.add_option("--to", o->to, "Its recipient (default postmaster)");
  add_json(app, o->json);
  return [o] { return doctor_command(*o, std::cout, std::cerr); };
}

// Every place of the command line with what may stand there, from the parsed table.
void collect_points(CLI::App& app, const std::string& command, std::vector<CompletionPoint>& points) {
  CompletionPoint point{command, {}};
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) point.words.push_back("--" + name);
  const auto subs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* sub : subs) point.words.push_back(sub->get_name());
  points.push_back(std::move(point));
  for (CLI::App* sub : subs) collect_points(*sub, (command.empty() ? "" : command + " ") + sub->get_name(), points);
}

Run define_completion(CLI::App& app) {
  auto shell = shared<std::string>();
  app.add_option("SHELL", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  CLI::App* whole = app.get_parent();
  return [shell, whole] {
    std::vector<CompletionPoint> points;
    collect_points(*whole, "", points);
    std::cout << completion_script(*shell, points);
    return static_cast<int>(kOk);
  };
}

nlohmann::ordered_json described(const CLI::Option& option) {
  return {{"name", option.get_name()},
          {"meaning", option.get_description()},
          {"takes_value", option.get_items_expected_max() > 0},
          {"required", option.get_required()}};
}

// The table of commands as it was parsed, for the manual pages.
nlohmann::ordered_json described(CLI::App& app) {
  nlohmann::ordered_json one = {{"name", app.get_name()}, {"summary", app.get_description()}};
  one["options"] = nlohmann::ordered_json::array();
  for (const CLI::Option* option : app.get_options())
    if (option->get_name() != "--help") one["options"].push_back(described(*option));
  one["commands"] = nlohmann::ordered_json::array();
  for (CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    one["commands"].push_back(described(*sub));
  return one;
}

Run define_options(CLI::App& app) {
  CLI::App* whole = app.get_parent();
  return [whole] {
    nlohmann::ordered_json all = described(*whole);
    all["version"] = kVersion;
    all["configuration"] = nlohmann::ordered_json::array();
    for (const ConfigKey& key : config_keys())
      all["configuration"].push_back(
          {{"key", key.path}, {"default", key.fallback}, {"meaning", key.meaning}});
    std::cout << all.dump(1) << "\n";
    return static_cast<int>(kOk);
  };
}

const Command kCommands[] = {
    {"run", "Run the service: the filter that the MTA asks", define_run},
    {"check", "Load configuration and policy as `run` would and print every mistake", define_check},
    {"test", "Run the tests of a policy with a virtual clock, no MTA and no network", define_test},
    {"explain", "Why a message would be refused or passed: one line per rule", define_explain},
    {"replay", "Mail of the past against a policy: what would be refused, by which rule",
     define_replay},
    {"codes", "The reply codes a policy can give", define_codes},
    {"facts", "The facts a policy can name", define_facts},
    {"status", "Is the service attached, what does it answer", define_service<kStatus>},
    {"reload", "Load the policy again, for new sessions", define_service<kReload>},
    {"limits", "Show and change what limits have counted", define_limits},
    {"greylist", "Show and change the greylist", define_greylist},
    {"list", "Show and change dynamic lists", define_list},
    {"state", "Move what an embedded store has kept into Redis", define_state},
    {"shadow", "What the rules in shadow would have refused", define_shadow},
    {"why", "Why a mail was answered as it was: rules tried, values seen", define_why},
    {"history", "Decisions of the last days", define_history},
    {"top", "What is refused most: by rule, client, sender, recipient, code or limit", define_top},
    {"privacy", "What is kept of one address, and its removal", define_privacy},
    {"doctor", "Is it attached, can it be reached, is all around it fit: each finding with its cure", define_doctor},
    {"completion", "Print the completion script of a shell", define_completion},
    {"options", "Every command, option and configuration key as JSON", define_options},
};

bool is_command(std::string_view name) {
  return std::any_of(std::begin(kCommands), std::end(kCommands),
                     [name](const Command& command) { return name == command.name; });
}

int unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  const std::string_view near = nearest(name, names);
  std::cerr << "sluice: unknown command `" << name << "`";
  if (!near.empty()) std::cerr << "; did you mean `" << near << "`?";
  std::cerr << " (`sluice --help` lists them)\n";
  return kUsage;
}

constexpr const char* kFooter =
    "Exit codes: 0 done, 64 usage, 65 a test failed, 66 no such file or entry, 69 the service does "
    "not answer, 75 try again, 78 configuration.\n"
    "`sluice COMMAND --help` tells more.";

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Sluice, a policy filter for Postfix and Sendmail", "sluice");
  app.set_version_flag("--version", std::string("sluice ") + kVersion);
  app.require_subcommand(1);
  app.footer(kFooter);
  std::vector<std::pair<CLI::App*, Run>> runs;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    runs.emplace_back(sub, command.define(*sub));
  }
  if (argc > 1 && argv[1][0] != '-' && !is_command(argv[1])) return unknown_command(argv[1]);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e, std::cout, std::cerr);
    const bool json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
    if (code != 0 && json) std::cout << refusal(kUsage, e.what()).json << "\n";
    return code == 0 ? kOk : kUsage;
  }
  try {
    for (auto& [sub, run] : runs)
      if (sub->parsed()) return run();
  } catch (const std::exception& e) {
    std::cerr << "sluice: internal error: " << e.what() << "\n";
    return kInternal;
  }
  return kUsage;
}

}  // namespace sluice::app
