#include "tools/ecf8d/metrics/server_metrics.h"

#include <functional>
#include <string>

#include "decoder/decoders.h"
#include "tools/ecf8d/metrics/metric_families.h"
#include "tools/version.h"

namespace ecf8 {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

double Number(uint64_t value) { return static_cast<double>(value); }

std::vector<MetricSample> ByTier(const EngineStats& stats,
                                 const std::function<uint64_t(const TierStats&)>& value) {
  return {{{{"tier", "host"}}, Number(value(stats.host))},
          {{{"tier", "device"}}, Number(value(stats.device))},
          {{{"tier", "slots"}}, Number(value(stats.slots))}};
}

void AddTiers(const EngineStats& stats, Families* out) {
  out->push_back(GaugeFamily("ecf8_tier_capacity_bytes", "Memory of the tier.",
                             ByTier(stats, [](const TierStats& t) { return t.capacity_bytes; })));
  out->push_back(GaugeFamily("ecf8_tier_free_bytes", "Of it, what nothing lies in.",
                             ByTier(stats, [](const TierStats& t) { return t.free_bytes; })));
  out->push_back(GaugeFamily("ecf8_tier_units", "Units there, or on their way.",
                             ByTier(stats, [](const TierStats& t) { return t.units; })));
  out->push_back(GaugeFamily("ecf8_tier_pinned_bytes", "Memory of pinned units, there or not.",
                             ByTier(stats, [](const TierStats& t) { return t.pinned.bytes; })));
  std::vector<MetricSample> requests;
  for (MetricSample& hits : ByTier(stats, [](const TierStats& t) { return t.hits; })) {
    hits.labels.push_back({"result", "hit"});
    requests.push_back(hits);
  }
  for (MetricSample& misses : ByTier(stats, [](const TierStats& t) { return t.misses; })) {
    misses.labels.push_back({"result", "miss"});
    requests.push_back(misses);
  }
  out->push_back(CounterFamily("ecf8_tier_requests_total",
                               "Requests that asked the tier; one that joins another is a hit.",
                               requests));
  out->push_back(CounterFamily("ecf8_tier_evictions_total", "Units that gave up their memory.",
                               ByTier(stats, [](const TierStats& t) { return t.evictions; })));
}

void AddEngine(const EngineStats& stats, Families* out) {
  out->push_back(GaugeFamily("ecf8_engine_requests", "Units held or waited for.",
                             {{{}, Number(stats.requests)}}));
  out->push_back(GaugeFamily("ecf8_engine_waiting_requests", "Units that wait for memory.",
                             {{{{"priority", "demand"}}, Number(stats.waiting[0])},
                              {{{"priority", "hinted"}}, Number(stats.waiting[1])},
                              {{{"priority", "preload"}}, Number(stats.waiting[2])}}));
  out->push_back(GaugeFamily("ecf8_engine_active_units", "Units being read or decoded.",
                             {{{}, Number(stats.active_units)}}));
  out->push_back(GaugeFamily("ecf8_engine_jobs_in_flight", "Jobs on the device.",
                             {{{}, Number(stats.jobs_in_flight)}}));
  out->push_back(CounterFamily("ecf8_stage_bytes_total",
                               "Stored bytes read, verified, copied to the device; bytes decoded.",
                               {{{{"stage", "read"}}, Number(stats.read_bytes)},
                                {{{"stage", "verify"}}, Number(stats.verified_bytes)},
                                {{{"stage", "copy"}}, Number(stats.copied_bytes)},
                                {{{"stage", "decode"}}, Number(stats.decoded_bytes)}}));
  out->push_back(
      CounterFamily("ecf8_units_failed_total",
                    "Units that could not be read, or whose checksum or bytes were wrong.",
                    {{{}, Number(stats.failed_units)}}));
  out->push_back(CounterFamily("ecf8_units_abandoned_total", "Units that nobody wanted any more.",
                               {{{}, Number(stats.abandoned_units)}}));
  out->push_back(CounterFamily("ecf8_holds_revoked_total",
                               "Idle holds that others' need has ended.",
                               {{{}, Number(stats.revoked_holds)}}));
}

void AddReader(const BlockReaderInfo& reader, Families* out) {
  out->push_back(GaugeFamily(
      "ecf8_reader_info", "How the disk is read; fallback: io_uring was refused.",
      {{.labels = {{"kind", reader.kind}, {"fallback", reader.fallback_reason.empty() ? "0" : "1"}},
        .value = 1}}));
  out->push_back(GaugeFamily("ecf8_reader_queue_depth", "Reads in flight, at most.",
                             {{{}, Number(reader.queue_depth)}}));
  out->push_back(
      GaugeFamily("ecf8_reader_in_flight", "Reads in flight.", {{{}, Number(reader.in_flight)}}));
  out->push_back(CounterFamily("ecf8_reads_total", "Reads that have ended.",
                               {{{{"result", "ok"}}, Number(reader.reads_done)},
                                {{{"result", "error"}}, Number(reader.reads_failed)}}));
  out->push_back(CounterFamily("ecf8_read_retries_total",
                               "Further requests after a short or interrupted read.",
                               {{{}, Number(reader.retries)}}));
}

void AddService(const Server& server, Families* out) {
  out->push_back(GaugeFamily("ecf8_streams", "Streams being served.",
                             {{{{"kind", "fetch"}}, Number(server.stream_count())},
                              {{{"kind", "file"}}, Number(server.file_stream_count())},
                              {{{"kind", "preload"}}, Number(server.preload_count())},
                              {{{"kind", "session"}}, Number(server.session_count())}}));
  const Listener::Stats connections = server.connection_stats();
  out->push_back(GaugeFamily("ecf8_connections", "Connections that are open.",
                             {{{}, Number(connections.open)}}));
  out->push_back(CounterFamily("ecf8_connections_accepted_total", "Connections taken.",
                               {{{}, Number(connections.accepted)}}));
  out->push_back(CounterFamily("ecf8_connections_refused_total",
                               "Connections closed at once: too many; of a user who may not.",
                               {{{{"reason", "limit"}}, Number(connections.refused_full)},
                                {{{"reason", "user"}}, Number(connections.refused_strangers)}}));
  out->push_back(CounterFamily("ecf8_connections_shed_total",
                               "Connections closed since their peers send more than is worked off: "
                               "beyond heap-limit, or before anybody served them.",
                               {{{}, Number(connections.shed)}}));
  out->push_back(GaugeFamily("ecf8_session_granted_bytes",
                             "Memory of slots that sessions were granted.",
                             {{{}, Number(server.engine().slot_grants().granted_bytes())}}));
  std::vector<MetricSample> models;
  for (const ServedModel& served : server.models().models()) {
    const CompressedModel& model = *served->model();
    models.push_back({{{"model", model.name()}, {"digest", model.digest()}}, 1});
  }
  out->push_back(GaugeFamily("ecf8_model_info", "Models that are served.", models));
  out->push_back(GaugeFamily("ecf8_build_info", "The daemon's version, decoder and device.",
                             {{.labels = {{"version", std::string(kVersion)},
                                          {"decoder", std::string(SelectedDecoder().name)},
                                          {"device", server.engine().device_info().name}},
                               .value = 1}}));
}

}  // namespace

Families ServerMetrics::Collect() const {
  Families families;
  const EngineStats stats = server_.engine().stats();
  AddTiers(stats, &families);
  AddEngine(stats, &families);
  AddReader(server_.engine().reader_info(), &families);
  AddService(server_, &families);
  return families;
}

}  // namespace ecf8
