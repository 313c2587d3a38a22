//! The page of two runs.

use super::*;
use crate::report::testing::{assert_snapshot, runs};

#[test]
fn runs_as_a_page() {
    assert_snapshot("report.html", &render(&runs()));
}

#[test]
fn the_page_loads_nothing() {
    let page = render(&runs());
    for loads in ["<script", "src=", "url(", "@import", "http://", "https://", "<link"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn nothing_from_a_run_becomes_markup() {
    let mut runs = runs();
    let evil = "<script>alert(\"1\")</script>' onload='x";
    for run in &mut runs {
        evil.clone_into(&mut run.header.name);
        evil.clone_into(&mut run.header.personality);
        for finding in &mut run.verdict.findings {
            evil.clone_into(&mut finding.statement);
            evil.clone_into(&mut finding.actual);
            finding.detail.push(evil.to_owned());
        }
        for request in &mut run.history.requests {
            evil.clone_into(&mut request.path);
            request.model = Some(evil.to_owned());
            for attempt in &mut request.attempts {
                evil.clone_into(&mut attempt.provider);
                evil.clone_into(&mut attempt.endpoint);
            }
        }
    }
    let page = render(&runs);
    assert!(!page.contains("<script"), "an element came through");
    assert!(!page.contains("' onload="), "an attribute came through");
}

#[test]
fn every_link_has_its_target() {
    let page = render(&runs());
    let links = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let mut count = 0;
    for id in links {
        count += 1;
        assert!(page.contains(&format!("id=\"{id}\"")), "{id} leads nowhere");
    }
    assert!(count > 30, "{count}");
}

#[test]
fn a_page_without_runs_and_a_run_without_requests_are_pages_too() {
    assert!(render(&[]).contains("no runs"));
    let mut run = runs().remove(0);
    run = RunRecord::new(run.header, Vec::new(), run.verdict, true);
    assert!(render(&[run]).contains("broken off"));
}

/// A run of an hour under load must not become a page that no browser opens.
#[test]
fn a_long_run_is_a_page_of_bounded_size() {
    let mut run = runs().remove(0);
    let model = run.history.requests[1].clone();
    let mut history = run.history.clone();
    for number in history.requests.len()..20_000 {
        let mut request = model.clone();
        request.number = number + 1;
        request.sent.0 += number as u64 * 180_000;
        request.ended = request.ended.map(|at| crate::event::At(at.0 + number as u64 * 180_000));
        for attempt in &mut request.attempts {
            attempt.selected = request.sent;
            attempt.ended = request.ended;
        }
        history.requests.push(request);
    }
    history.now = crate::event::At(3_700_000_000);
    run.history = history;
    let page = render(&[run]);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("19000 requests more can be found"));
}
