use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says what every metric is, to the recorder that is installed.
pub fn describe() {
    describe_counter!(
        "microblot_builds_total",
        "Builds that this replica fired, by builder and by what came of firing them."
    );
    describe_counter!(
        "microblot_builds_avoided_total",
        "Changes that gave way to newer ones before they were built: a hook called at every change \
         would have built them."
    );
    describe_gauge!(
        "microblot_builds_in_flight",
        "Builds that this replica holds at the moment."
    );
    describe_gauge!(
        "microblot_sites",
        "Sites by what the last look decided. All replicas see the same."
    );
    describe_gauge!(
        "microblot_outbox_messages",
        "Outcomes of builds that nobody was told of yet. All replicas see the same."
    );
    describe_histogram!(
        "microblot_change_to_fire_seconds",
        Unit::Seconds,
        "From the first change that is not built to its build, with all waits that are wanted."
    );
    describe_histogram!(
        "microblot_tick_duration_seconds",
        Unit::Seconds,
        "How long a look took, with reading, deciding and claiming."
    );
    describe_counter!(
        "microblot_slack_requests_total",
        "Requests of Slack that were taken, by kind."
    );
    describe_counter!(
        "microblot_slack_refused_total",
        "Requests that claimed to be Slack's and were refused."
    );
}
