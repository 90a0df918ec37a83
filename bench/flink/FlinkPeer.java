import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

import com.sun.management.OperatingSystemMXBean;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * The peer: runs SQL scripts in Apache Flink, in a local cluster inside this process, and measures them.
 *
 * <p>{@code FlinkPeer PARALLELISM CHECKPOINT_DIRECTORY} reads names of scripts from standard input, one a line. A script is
 * statements that end in one INSERT; the job runs until its sources end. Each run answers with one line of JSON. The
 * process stays between runs, so that all but the first find its code compiled; the settings in {@link #configuration}
 * are those of a tuned installation.
 */
public class FlinkPeer {
    private static final long SAMPLE_MS = 20;

    /** The part of a run that counts as its steady state: from one share of the records to the other. */
    private static final double STEADY_FROM = 0.2;
    private static final double STEADY_TO = 0.95;

    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    /** Keeps the counters of sources and sinks, so that they can be read while a job runs. */
    public static class CounterReporter implements MetricReporter {
        private static final Set<Counter> READ = ConcurrentHashMap.newKeySet();
        private static final Set<Counter> EMITTED = ConcurrentHashMap.newKeySet();

        @Override
        public void open(MetricConfig config) {}

        @Override
        public void close() {}

        @Override
        public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
            String operator = group.getAllVariables().get("<operator_name>");
            if (operator == null || !name.equals("numRecordsIn")) {
                return;
            }
            if (operator.startsWith("Source:")) {
                READ.add((Counter) metric);
            } else if (operator.startsWith("Sink") || operator.contains(": Writer")) {
                EMITTED.add((Counter) metric);
            }
        }

        @Override
        public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {}

        static void forget() {
            READ.clear();
            EMITTED.clear();
        }

        static long sum(Set<Counter> counters) {
            return counters.stream().mapToLong(Counter::getCount).sum();
        }
    }

    /** Found by its name in META-INF/services. */
    public static class CounterReporterFactory implements MetricReporterFactory {
        @Override
        public MetricReporter createMetricReporter(Properties properties) {
            return new CounterReporter();
        }
    }

    private record Sample(double seconds, double cpuSeconds, long records) {
        static Sample take() {
            return new Sample(
                    System.nanoTime() / 1e9, SYSTEM.getProcessCpuTime() / 1e9, CounterReporter.sum(CounterReporter.READ));
        }
    }

    private static Configuration configuration(int parallelism, Path checkpoints) {
        Configuration configuration = new Configuration();
        configuration.setString("parallelism.default", Integer.toString(parallelism));
        configuration.setString("pipeline.object-reuse", "true");
        configuration.setString("execution.checkpointing.interval", "1 s");
        configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        configuration.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
        // A bounded job would wait for one more checkpoint at its end.
        configuration.setString("execution.checkpointing.checkpoints-after-tasks-finish", "false");
        configuration.setString("restart-strategy.type", "none");
        configuration.setString("state.backend.type", "hashmap");
        configuration.setString("taskmanager.memory.managed.size", "1g");
        configuration.setString("taskmanager.memory.network.min", "128m");
        configuration.setString("taskmanager.memory.network.max", "128m");
        configuration.setString("table.exec.mini-batch.enabled", "true");
        configuration.setString("table.exec.mini-batch.allow-latency", "2 s");
        configuration.setString("table.exec.mini-batch.size", "50000");
        configuration.setString("table.optimizer.agg-phase-strategy", "TWO_PHASE");
        configuration.setString("table.optimizer.distinct-agg.split.enabled", "true");
        configuration.setString("table.local-time-zone", "UTC");
        configuration.setString("metrics.reporters", "counters");
        configuration.setString("metrics.reporter.counters.factory.class", CounterReporterFactory.class.getName());
        return configuration;
    }

    private static JobClient submit(Configuration configuration, int parallelism, String script) {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                environment,
                EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(configuration).build());
        TableResult last = null;
        for (String statement : script.replaceAll("(?m)--.*$", "").split(";")) {
            if (!statement.isBlank()) {
                last = tables.executeSql(statement);
            }
        }
        return last.getJobClient().orElseThrow();
    }

    /** Runs the job to its end; returns what was seen on the way, the first and last moment included. */
    private static List<Sample> follow(JobClient job) throws Exception {
        List<Sample> samples = new ArrayList<>();
        CompletableFuture<JobExecutionResult> result = job.getJobExecutionResult();
        while (true) {
            boolean isDone = result.isDone();
            samples.add(Sample.take());
            if (isDone) {
                result.get();
                return samples;
            }
            Thread.sleep(SAMPLE_MS);
        }
    }

    private static String rates(String prefix, Sample from, Sample to) {
        return String.format(
                Locale.ROOT,
                "\"%srecords\": %d, \"%sseconds\": %.3f, \"%scpu_seconds\": %.3f",
                prefix,
                to.records() - from.records(),
                prefix,
                to.seconds() - from.seconds(),
                prefix,
                to.cpuSeconds() - from.cpuSeconds());
    }

    private static String report(List<Sample> samples) {
        Sample end = samples.get(samples.size() - 1);
        // The last moment at which nothing had been read: starting the job is left out.
        Sample start = samples.get(0);
        Sample steadyFrom = null;
        Sample steadyTo = end;
        for (Sample sample : samples) {
            if (sample.records() == 0) {
                start = sample;
            }
            if (steadyFrom == null && sample.records() >= STEADY_FROM * end.records()) {
                steadyFrom = sample;
            }
            if (sample.records() <= STEADY_TO * end.records()) {
                steadyTo = sample;
            }
        }
        return String.format(
                "{%s, %s, \"emitted\": %d}",
                rates("", start, end),
                rates("steady_", steadyFrom, steadyTo),
                CounterReporter.sum(CounterReporter.EMITTED));
    }

    public static void main(String[] arguments) throws Exception {
        int parallelism = Integer.parseInt(arguments[0]);
        Configuration configuration = configuration(parallelism, Path.of(arguments[1]).toAbsolutePath());
        BufferedReader scripts = new BufferedReader(new InputStreamReader(System.in));

        for (String name = scripts.readLine(); name != null; name = scripts.readLine()) {
            CounterReporter.forget();
            JobClient job = submit(configuration, parallelism, Files.readString(Path.of(name)));
            System.out.println(report(follow(job)));
            System.out.flush();
            System.gc();
        }
        System.exit(0);
    }
}
