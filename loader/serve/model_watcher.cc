#include "loader/serve/model_watcher.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/beneath.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Of all roots; more are left out.
constexpr size_t kMaxChildren = 10000;
// Files of a model come one after the other: it is looked at when nothing has happened for a while,
// or something has for long.
constexpr std::chrono::milliseconds kQuiet(100);
constexpr std::chrono::seconds kLongest(1);

// Whether the directory holds nothing that can be served, rather than that we could not look.
bool IsNoModel(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelWatcher>> ModelWatcher::Start(
    const ModelRoots& roots, ModelSet& models, std::unique_ptr<DirectoryEvents> events,
    WatchNews news) {
  std::unique_ptr<ModelWatcher> watcher(
      new ModelWatcher(roots, models, std::move(events), std::move(news)));
  ECF8_RETURN_IF_ERROR(watcher->WatchRoots());
  watcher->LookAtNoted();
  ECF8_ASSIGN_OR_RETURN(watcher->thread_, StartThread("no thread to watch the model roots",
                                                      [raw = watcher.get()] { raw->Run(); }));
  return watcher;
}

ModelWatcher::ModelWatcher(const ModelRoots& roots, ModelSet& models,
                           std::unique_ptr<DirectoryEvents> events, WatchNews news)
    : roots_(roots.paths()), models_(models), events_(std::move(events)), news_(std::move(news)) {}

ModelWatcher::~ModelWatcher() {
  stopping_ = true;
  events_->Stop();
  if (thread_.joinable()) thread_.join();
}

// Before they are listed, so that nothing comes unseen between the two.
absl::Status ModelWatcher::WatchRoots() {
  for (size_t root = 0; root < roots_.size(); ++root) {
    ECF8_ASSIGN_OR_RETURN(const int watch, events_->Watch(roots_[root]));
    root_watches_[watch] = root;
    NoteChildrenOf(root);
  }
  return absl::OkStatus();
}

void ModelWatcher::Run() {
  while (!stopping_) {
    std::vector<DirectoryEvent> events = events_->Read(std::nullopt);
    const Clock::time_point latest = Clock::now() + kLongest;
    while (!events.empty()) {
      for (const DirectoryEvent& event : events) Note(event);
      if (Clock::now() >= latest) break;
      events = events_->Read(std::min(latest, Clock::now() + kQuiet));
    }
    LookAtNoted();
  }
}

void ModelWatcher::NoteChild(const Place& place) {
  if (children_.contains(place) || children_.size() + noted_.size() < kMaxChildren) {
    noted_.insert(place);
  } else if (!std::exchange(told_limits_, true)) {
    Tell(absl::ResourceExhaustedError(absl::StrCat(roots_[place.root], ": more than ", kMaxChildren,
                                                   " entries; the others are not served")));
  }
}

void ModelWatcher::NoteChildrenOf(size_t root) {
  for (auto it = children_.lower_bound({root, ""}); it != children_.end() && it->first.root == root;
       ++it) {
    noted_.insert(it->first);
  }
  std::error_code error;
  fs::directory_iterator entry(roots_[root], error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (IsChildName(name)) NoteChild({root, name});
  }
  if (error) Tell(ErrnoStatus(error.value(), absl::StrCat("cannot list ", Quoted(roots_[root]))));
}

void ModelWatcher::Note(const DirectoryEvent& event) {
  using Kind = DirectoryEvent::Kind;
  if (event.kind == Kind::kLost) {
    for (size_t root = 0; root < roots_.size(); ++root) NoteChildrenOf(root);
    return;
  }
  if (const auto root = root_watches_.find(event.watch); root != root_watches_.end()) {
    const Place place{root->second, event.name};
    if (event.kind == Kind::kEnded) {
      Tell(absl::NotFoundError(absl::StrCat("the model root ", Quoted(roots_[place.root]),
                                            " is gone: it is watched no more")));
      events_->Unwatch(event.watch);
      root_watches_.erase(root);
    }
    if (event.kind == Kind::kEnded || event.name.empty()) return NoteChildrenOf(place.root);
    if (!IsChildName(event.name)) return;
    NoteChild(place);
    if (event.kind == Kind::kGone) gone_.insert(place);
    return;
  }
  const auto child = child_watches_.find(event.watch);
  if (child == child_watches_.end()) return;  // news of the past
  noted_.insert(child->second.begin(), child->second.end());
  if (event.kind != Kind::kEnded) return;
  for (const Place& place : child->second) children_.at(place).watch = -1;
  child_watches_.erase(child);
  events_->Unwatch(event.watch);
}

void ModelWatcher::LookAtNoted() {
  while (!noted_.empty() && !stopping_) {
    const Place place = *noted_.begin();
    noted_.erase(noted_.begin());
    Look(place);
    gone_.erase(place);
  }
}

void ModelWatcher::Look(const Place& place) {
  const bool replaced = gone_.contains(place);
  const auto directory = ModelDirectory::OpenBeneath(roots_[place.root], place.name);
  if (!directory.ok() && absl::IsNotFound(directory.status())) return Drop(place);
  Child& child = children_[place];
  if (replaced) child.told = false;
  absl::Status problem = directory.status();
  if (directory.ok()) {
    WatchChild(child, place, *directory);
    auto model = OpenModelOfRoot(*directory);
    if (model.ok()) return Offer(child, place, replaced, *std::move(model));
    problem = model.status();
  }
  if (!absl::IsNotFound(problem)) TellOnce(child, place, problem);
  if (!IsNoModel(problem)) return;
  child.digest.clear();
  StopServing(place);
}

// Before it is opened, so that what changes in it later is told.
void ModelWatcher::WatchChild(Child& child, const Place& place, const ModelDirectory& directory) {
  const absl::StatusOr<int> watch = events_->Watch(ReopenPath(directory.fd()));
  if (watch.ok() && *watch == child.watch) return;
  UnwatchChild(child, place);
  if (watch.ok()) {
    child.watch = *watch;
    child_watches_[*watch].insert(place);
  } else if (!std::exchange(told_limits_, true)) {
    Tell(AddContext(watch.status(), PathOf(place)));
  }
}

void ModelWatcher::UnwatchChild(Child& child, const Place& place) {
  const auto watched = child_watches_.find(std::exchange(child.watch, -1));
  if (watched == child_watches_.end()) return;
  watched->second.erase(place);
  if (!watched->second.empty()) return;
  events_->Unwatch(watched->first);
  child_watches_.erase(watched);
}

void ModelWatcher::Offer(Child& child, const Place& place, bool replaced,
                         std::shared_ptr<const CompressedModel> model) {
  // As it was when it was last offered; a client may have removed it since.
  if (!replaced && model->digest() == child.digest) return;
  const ServedModel served = models_.Find(place.name);
  const bool is_ours = served != nullptr && served->model()->directory() == PathOf(place);
  const bool is_served = is_ours && !replaced && served->model()->digest() == model->digest();
  const absl::Status status = is_served ? absl::OkStatus()
                                        : models_.Add(model, is_ours ? ModelSet::IfThere::kReplace
                                                                     : ModelSet::IfThere::kRefuse);
  child.digest = status.ok() ? model->digest() : "";
  if (!status.ok()) return TellOnce(child, place, status);
  child.told = false;
  if (!is_served && news_.on_added) news_.on_added(*model);
}

void ModelWatcher::Drop(const Place& place) {
  StopServing(place);
  const auto child = children_.find(place);
  if (child == children_.end()) return;
  UnwatchChild(child->second, place);
  children_.erase(child);
}

// Another root may have one of that name, which then comes to its turn.
void ModelWatcher::StopServing(const Place& place) {
  const ServedModel served = models_.Find(place.name);
  if (served == nullptr || served->model()->directory() != PathOf(place)) return;
  if (!models_.Remove(place.name, served->model()->digest()).ok()) return;
  if (news_.on_removed) news_.on_removed(place.name);
  for (size_t root = 0; root < roots_.size(); ++root) {
    const Place other{root, place.name};
    if (root != place.root && children_.contains(other)) noted_.insert(other);
  }
}

std::string ModelWatcher::PathOf(const Place& place) const {
  return absl::StrCat(roots_[place.root], "/", place.name);
}

void ModelWatcher::TellOnce(Child& child, const Place& place, const absl::Status& status) {
  if (std::exchange(child.told, true)) return;
  Tell(AddContext(status, absl::StrCat(PathOf(place), " is not served")));
}

void ModelWatcher::Tell(const absl::Status& status) const {
  if (news_.on_problem) news_.on_problem(status);
}

}  // namespace ecf8
