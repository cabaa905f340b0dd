// The service's metrics, for Prometheus. Names get the prefix renderyard_<service>_; the same name and labels give the
// same metric. References stay valid as long as Metrics lives. Thread-safety: any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace renderyard::runtime {

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  explicit Metrics(std::string service);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  prometheus::Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `bounds`: upper bounds of the buckets, rising.
  prometheus::Histogram& histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                   const Labels& labels = {});
  // Prometheus text format 0.0.4.
  std::string exposition() const;

 private:
  std::string prefix_;
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace renderyard::runtime
