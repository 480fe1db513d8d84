import pytest
from cluster import SHAPES, Cluster
from openai import OpenAI


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001
    report = yield
    words, Cluster.last_words[:] = list(Cluster.last_words), []
    if report.failed and call.when == "call":
        words += [cluster.words() for cluster in Cluster.running]
        report.sections += [("a cluster's last words", each) for each in words]
    return report


@pytest.fixture(scope="session", params=SHAPES)
def cluster(request):
    """One cluster of two workers a shape, shared by the tests that leave it whole."""
    with Cluster("--workers", "2", *SHAPES[request.param]) as running:
        yield running


@pytest.fixture(params=SHAPES)
def own_cluster(request):
    """A cluster of the test's own, for those that break it."""
    with Cluster("--workers", "2", *SHAPES[request.param]) as running:
        yield running


@pytest.fixture
def client(cluster):
    with OpenAI(base_url=cluster.url + "/v1", api_key=cluster.api_key, max_retries=0, timeout=60) as openai:
        yield openai
