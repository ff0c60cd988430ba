#include "policy/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/siphash.h"
#include "policy/exemptions.h"
#include "policy/lints.h"
#include "policy/rule_index.h"

namespace sluice::policy {
namespace {

constexpr SipKey kProgramKey{0x736c756963652d70, 0x726f6772616d7331};
constexpr const char* kZoneFolder = "/usr/share/zoneinfo";

std::unique_ptr<Code> make_code(const CompileOptions& options) {
  auto code = std::make_unique<Code>();
  code->fold_local_part = options.fold_local_part;
  code->delimiters = options.delimiters;
  return code;
}

bool is_zone_name(const std::string& name) {
  return !name.empty() && name.front() != '/' && name.find("..") == std::string::npos;
}

constexpr ActionSource::Kind kReadsHeaders[] = {ActionSource::Kind::SubjectPrefix,
                                                ActionSource::Kind::SetHeader,
                                                ActionSource::Kind::RemoveHeader};

}  // namespace

Compiler::Compiler(const PolicySource& source, const Vocabulary& vocabulary,
                   const CompileOptions& options, Diagnostics& diagnostics)
    : source_(source),
      code_(make_code(options)),
      c_(source, vocabulary, options, *code_, diagnostics) {}

void Compiler::group_by_stage(Program& program) const {
  for (RuleId id = 0; id < rules_.size(); ++id) {
    const Rule& rule = rules_[id];
    if (rule.mode == Mode::Disabled) continue;
    StageRules& stage = program.stages_[static_cast<std::size_t>(rule.stage)];
    (rule.kind == RuleKind::Exempt  ? stage.exempts
     : rule.kind == RuleKind::Score ? stage.scores
                                    : stage.deciders)
        .push_back(id);
  }
  for (StageRules& stage : program.stages_) {
    std::set<FactIndex> facts;
    const auto note = [&](ExprId expr) {
      for (const FactIndex fact : program.facts_of(expr)) facts.insert(fact);
    };
    for (const auto* phase : {&stage.exempts, &stage.scores, &stage.deciders})
      for (const RuleId id : *phase) {
        const Rule& rule = program.rule(id);
        note(rule.condition);
        note(rule.score_add);
        if (rule.limit) std::for_each(rule.limit->key.begin(), rule.limit->key.end(), note);
        if (rule.limit) std::for_each(rule.limit->max.begin(), rule.limit->max.end(), note);
        if (rule.limit) note(rule.limit->distinct);
        if (rule.greylist)
          std::for_each(rule.greylist->key.begin(), rule.greylist->key.end(), note);
      }
    stage.facts.assign(facts.begin(), facts.end());
  }
}

void Compiler::note_needs(Program& program) const {
  program.needs_headers_ = c_.needs_headers;
  for (const UsedFact& fact : c_.facts) {
    program.needs_body_ = program.needs_body_ || fact.signature.needs_body;
    program.keeps_body_ = program.keeps_body_ || fact.signature.keeps_body;
    program.needs_headers_ = program.needs_headers_ || fact.signature.needs_headers;
  }
  for (const Rule& rule : rules_) {
    const bool counts_bytes =
        rule.limit && rule.limit->count == CountOf::Bytes && rule.stage == mail::Stage::End;
    program.needs_body_ = program.needs_body_ || counts_bytes;
    for (const RuleAction& action : rule.actions) {
      program.keeps_body_ = program.keeps_body_ || action.kind == ActionSource::Kind::Footer;
      const bool reads = std::find(std::begin(kReadsHeaders), std::end(kReadsHeaders),
                                   action.kind) != std::end(kReadsHeaders);
      program.needs_headers_ = program.needs_headers_ || reads;
    }
  }
  program.needs_body_ = program.needs_body_ || program.keeps_body_;
  program.needs_headers_ = program.needs_headers_ || program.needs_body_;
}

void Compiler::check_timezone() {
  for (const char* name : {"time.local", "time.weekday"}) {
    const auto used = c_.fact_indices.find(name);
    if (used == c_.fact_indices.end() || source_.timezone) continue;
    const auto at = c_.first_places.find(used->second);
    c_.findings.error(
        "E105", at == c_.first_places.end() ? SourceSpan{} : at->second,
        std::string("`") + name + "` needs `timezone:` in the policy (as Europe/Berlin)");
  }
  if (!source_.timezone || !std::filesystem::exists(kZoneFolder)) return;
  const std::string& name = source_.timezone->text;
  if (!is_zone_name(name) ||
      !std::filesystem::is_regular_file(std::filesystem::path(kZoneFolder) / name))
    c_.findings.error("E205", source_.timezone->whole(),
                      "`" + name + "` is not a time zone (as Europe/Berlin)");
}

std::string Compiler::hash() const {
  std::string all;
  for (const FileSource& file : source_.files) all += file.policy + "@" + file.version + "\n";
  for (const Rule& rule : rules_) all += rule.rev;
  return fmt::format("{:04x}", siphash13(kProgramKey, all) & 0xffff);
}

ProgramPtr Compiler::compile() {
  RuleCompiler rules(c_);
  for (const RuleSource& rule : source_.rules) rules_.push_back(rules.compile(rule));
  auto recipients = rules.compile_recipients();
  rules.check_lets();
  resolve_exemptions(c_, rules_);
  check_timezone();
  if (!c_.findings.ok()) return nullptr;
  warn_unreachable(c_, rules_);
  warn_unused_lists(c_);
  auto program = std::shared_ptr<Program>(new Program);
  note_needs(*program);
  program->facts_ = std::move(c_.facts);
  program->dnsbls_ = c_.names.dnsbls();
  program->dynamic_lists_ = c_.names.dynamic_lists();
  program->recipients_ = std::move(recipients);
  if (!source_.files.empty()) {
    program->policy_ = source_.files.front().policy;
    program->version_ = source_.files.front().version;
  }
  if (source_.timezone) program->timezone_ = source_.timezone->text;
  program->hash_ = hash();
  program->label_ = program->policy_;
  if (!program->version_.empty()) program->label_ += "@" + program->version_;
  if (!program->hash_.empty()) program->label_ += "#" + program->hash_;
  program->watched_files_ = c_.names.read_files();
  program->code_ = std::move(code_);
  program->rules_ = rules_;
  group_by_stage(*program);
  for (std::size_t stage = 0; stage < mail::kStages; ++stage)
    program->indices_[stage] = std::make_unique<RuleIndex>(*program, *program->code_,
                                                           static_cast<mail::Stage>(stage));
  return program;
}

ProgramPtr compile(const PolicySource& source, const Vocabulary& vocabulary,
                   const CompileOptions& options, Diagnostics& diagnostics) {
  return Compiler(source, vocabulary, options, diagnostics).compile();
}

}  // namespace sluice::policy
