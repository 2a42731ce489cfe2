//! Pictures of pages, before and after the change.

use super::*;

/// An application that shows the text of `value.txt` and answers 404 elsewhere.
const SERVER: &str = "
const { readFileSync } = require('fs');
require('http').createServer((request, response) => {
  const found = request.url.startsWith('/value');
  response.writeHead(found ? 200 : 404, { 'content-type': 'text/html' });
  response.end(`<h1>${found ? readFileSync('value.txt') : 'nothing here'}</h1>`);
}).listen(process.env.PORT);
";

#[tokio::test]
async fn pages_are_photographed_before_and_after() {
    let executor = engine().await;
    let files = [("value.txt", Some("a very different value\n"))];
    let change = Change::on_top_of("pictures", &[("server.js", SERVER)], &files).await;
    let mut spec = change.spec(&[]);
    spec.start = Some(StartCommand {
        command: "node server.js".to_owned(),
        port: 3000,
    });
    let page = |path: &str| Page {
        path: path.to_owned(),
        title: "The value".to_owned(),
    };
    spec.pages = vec![
        page("/value?a=1&b=$(id)"),
        page("/none"),
        page("https://example.test/"),
    ];
    let report = prove_quietly(&executor, &spec).await;
    let shown: Vec<_> = report.pictures.iter().map(seen).collect();
    let expected = |moment| [(moment, Some(200)), (moment, Some(404)), (moment, None)];
    let expected: Vec<_> = [Moment::Before, Moment::After]
        .into_iter()
        .flat_map(expected)
        .collect();
    assert_eq!(shown, expected, "{:?}", report.pictures[2]);

    assert_ne!(png(&report.pictures[0]), png(&report.pictures[3]));
    assert_eq!(png(&report.pictures[1]), png(&report.pictures[4]));
}

#[tokio::test]
async fn an_application_that_does_not_start_leaves_the_proof_whole() {
    let executor = engine().await;
    let change = Change::new("no-start", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&["true"]);
    spec.start = Some(StartCommand {
        command: "echo the port is taken; exit 5".to_owned(),
        port: 3000,
    });
    spec.pages = vec![Page {
        path: "/".to_owned(),
        title: "Start".to_owned(),
    }];
    let report = prove_quietly(&executor, &spec).await;
    assert_eq!(statuses(&report.checks), [&CheckStatus::Passed]);
    for picture in &report.pictures {
        let PictureOutcome::Missing { reason } = &picture.outcome else {
            panic!("there is nothing to photograph");
        };
        assert!(
            reason.contains("status 5") && reason.contains("the port is taken"),
            "{reason}"
        );
    }
}

fn seen(picture: &Picture) -> (Moment, Option<u16>) {
    match &picture.outcome {
        PictureOutcome::Taken { http_status, .. } => (picture.moment, *http_status),
        PictureOutcome::Missing { .. } => (picture.moment, None),
    }
}

fn png(picture: &Picture) -> &[u8] {
    match &picture.outcome {
        PictureOutcome::Taken { png, .. } => png,
        PictureOutcome::Missing { reason } => panic!("{reason}"),
    }
}
