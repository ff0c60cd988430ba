#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/service.h"
#include "base/diagnostic.h"
#include "facts/fact.h"

namespace sluice::app {
namespace {

using facts::Fact;
using nlohmann::ordered_json;

std::string words(const policy::Type& type) {
  if (type.kind != policy::Kind::Enum || type.words == nullptr) return policy::type_name(type);
  std::string list;
  for (const auto word : type.words->words) list += (list.empty() ? "" : "|") + std::string(word);
  return "enum " + list + (type.optional ? "?" : "");
}

bool matches(const std::string& wanted, const std::string& name) {
  return wanted.empty() || wanted == name || name.compare(0, wanted.size() + 1, wanted + ".") == 0;
}

ordered_json to_json(const Fact& fact) {
  const auto& s = fact.signature;
  return {{"name", s.name},
          {"type", words(s.type)},
          {"stage", mail::stage_name(s.available_from)},
          {"scope", mail::scope_name(s.scope)},
          {"cost", s.cost},
          {"description", s.description}};
}

int unknown_fact(const std::string& name, std::ostream& err) {
  std::vector<std::string_view> names;
  for (const Fact& fact : facts::all_facts()) names.push_back(fact.signature.name);
  const auto near = nearest(name, names);
  err << "sluice: unknown fact `" << name << "`"
      << (near.empty() ? "" : "; did you mean `" + std::string(near) + "`?") << "\n";
  return kUsage;
}

std::string page(const std::string& file, const std::vector<Fact>& group) {
  std::string text = "# Facts: " + file +
                     "\n\nMade by `sluice facts --docs`; do not edit.\n\n| fact | type | from "
                     "stage | lives for | cost |\n|---|---|---|---|---|\n";
  std::string details = "\n";
  for (const Fact& fact : group) {
    const auto& s = fact.signature;
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", s.name, words(s.type),
                        mail::stage_name(s.available_from), mail::scope_name(s.scope),
                        s.cost.empty() ? "none" : s.cost);
    details += fmt::format("- `{}`: {}\n", s.name, s.description);
  }
  for (std::size_t at = 0; (at = text.find("enum ", at)) != std::string::npos; ++at) {
    const std::size_t end = text.find(" |", at);
    for (std::size_t bar = text.find('|', at); bar < end; bar = text.find('|', bar + 2))
      text.insert(bar, "\\");
  }
  return text + details;
}

int write_docs(const std::string& folder, std::ostream& err) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (const auto& [file, group] : facts::facts_by_file()) {
    std::ofstream out(std::filesystem::path(folder) / (file + ".md"));
    out << page(file, group);
    if (!out) {
      err << "sluice: cannot write " << folder << "/" << file << ".md\n";
      return kNoInput;
    }
  }
  return kOk;
}

}  // namespace

int facts_command(const FactsOptions& options, std::ostream& out, std::ostream& err) {
  if (!options.docs.empty()) return write_docs(options.docs, err);
  ordered_json list = ordered_json::array();
  bool found = false;
  for (const Fact& fact : facts::all_facts()) {
    const auto& s = fact.signature;
    if (!matches(options.name, s.name)) continue;
    if (options.json) {
      list.push_back(to_json(fact));
    } else if (options.name == s.name) {
      out << fmt::format("{}\n  type   {}\n  from   stage {}\n  scope  {}\n  cost   {}\n  {}\n",
                         s.name, words(s.type), mail::stage_name(s.available_from),
                         mail::scope_name(s.scope), s.cost.empty() ? "none" : s.cost,
                         s.description);
    } else {
      if (!found)
        out << fmt::format("{:<22} {:<18} {:<8} {}\n", "FACT", "TYPE", "STAGE", "MEANING");
      out << fmt::format("{:<22} {:<18} {:<8} {}\n", s.name,
                         s.type.kind == policy::Kind::Enum ? "enum" : policy::type_name(s.type),
                         mail::stage_name(s.available_from), s.description);
    }
    found = true;
  }
  if (!found) return unknown_fact(options.name, err);
  if (options.json) out << list.dump(2) << "\n";
  return kOk;
}

}  // namespace sluice::app
