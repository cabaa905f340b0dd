#include "libs/common/runtime/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace renderyard::runtime {

Metrics::Metrics(std::string service)
    : prefix_("renderyard_" + std::move(service) + "_"), registry_(std::make_shared<prometheus::Registry>()) {
  gauge("up", "1 while the service runs; its labels say which version.", {{"version", RENDERYARD_VERSION}}).Set(1);
}
Metrics::~Metrics() = default;

prometheus::Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(prefix_ + name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(prefix_ + name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& bounds, const Labels& labels) {
  return prometheus::BuildHistogram().Name(prefix_ + name).Help(help).Register(*registry_).Add(labels, bounds);
}

std::string Metrics::exposition() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace renderyard::runtime
